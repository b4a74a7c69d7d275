"""When an attempt is made again: the schedule of Standard Webhooks. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

# 75 h 35 min from the first attempt to the last.
PAUSES = [
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]  # fmt: skip
JITTER = 0.1  # of a pause, at most, so that what failed together comes back apart
LONGEST_WISH = timedelta(hours=24)
BUSY = timedelta(seconds=30)
# The receiver as a whole is busy, so nothing goes there for a while.
BUSY_ANSWERS = {
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
}  # fmt: skip


def pause_after(tries: int, *, share: float) -> timedelta | None:
    """How long to wait after so many failed tries; None: give up.

    `share`, from 0 to 1, is this attempt's part of the jitter.
    """
    if tries > len(PAUSES):
        return None
    return PAUSES[tries - 1] * (1 + JITTER * share)


def wished_pause(
    status: int | None, headers: Mapping[str, str], *, now: datetime
) -> timedelta | None:
    """How long a busy receiver wants to be left alone; None: it is not busy."""
    if status not in BUSY_ANSWERS:
        return None
    told = headers.get("Retry-After", "").strip()
    return min(max(_told_pause(told, now), BUSY), LONGEST_WISH)


def _told_pause(told: str, now: datetime) -> timedelta:
    """Seconds or a date; anything else is as if nothing was told."""
    if told.isascii() and told.isdecimal():
        return timedelta(seconds=min(int(told[:9]), LONGEST_WISH.total_seconds()))
    try:
        until = parsedate_to_datetime(told)
    except (ValueError, OverflowError):  # numbers that no date has overflow
        return timedelta(0)
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return until - now
