"""When a failed attempt is retried: the schedule of Standard Webhooks. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

# 75 h 35 min from the first attempt to the last.
PAUSES = [
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]  # fmt: skip
JITTER = 0.1  # of a pause, at most: deliveries that failed together are retried apart
LONGEST_PAUSE = timedelta(hours=24)
SHORTEST_PAUSE = timedelta(seconds=30)
# The receiver as a whole is busy, so nothing is sent there for a while.
BUSY_STATUSES = {
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
}  # fmt: skip


def pause_after(tries: int, *, share: float) -> timedelta | None:
    """How long to wait after `tries` failed tries; None: give up.

    `share`, from 0 to 1, is the part of the jitter that is added.
    """
    if tries > len(PAUSES):
        return None
    return PAUSES[tries - 1] * (1 + JITTER * share)


def requested_pause(
    status: int | None, headers: Mapping[str, str], *, now: datetime
) -> timedelta | None:
    """How long a busy receiver asks for a pause (Retry-After); None: it is not busy.

    Between SHORTEST_PAUSE and LONGEST_PAUSE, whatever the header says.
    """
    if status not in BUSY_STATUSES:
        return None
    header = headers.get("Retry-After", "").strip()
    return min(max(_parse_retry_after(header, now), SHORTEST_PAUSE), LONGEST_PAUSE)


def _parse_retry_after(header: str, now: datetime) -> timedelta:
    """The pause until a number of seconds or an HTTP date; zero for anything else."""
    if header.isascii() and header.isdecimal():
        return timedelta(seconds=min(int(header[:9]), LONGEST_PAUSE.total_seconds()))
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # impossible dates overflow
        return timedelta(0)
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return until - now
