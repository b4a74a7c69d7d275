"""Times in files: several notations, with or without a zone. Pure.

Read are ISO 8601, the dates of mail (RFC 2822) and US dates (11/20/2026), each with an
optional AM or PM and an optional zone: an offset, Z, UTC, GMT, one of the US zones of
RFC 2822, or a name of the IANA database. Any other zone is refused.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.parsing.values import parse_instant, parse_integer, shown
from core.periods import ZonePeriod, instant_of

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
ZONE_HOURS = {
    "z": 0, "utc": 0, "gmt": 0, "ut": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5,
    "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip
CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d+)?)?"
TAIL = r"(?: ?(?P<half>AM|PM)\b)?(?: ?(?P<zone>[+-]\d\d:?\d\d|[A-Za-z][A-Za-z_/]*))?"
NOTATIONS = [
    re.compile(rf"{day}[ T,]+{CLOCK}{TAIL}", re.ASCII | re.IGNORECASE)
    for day in (
        r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)",
        r"(?:[A-Z]{3},? +)?(?P<day>\d{1,2}) (?P<month>[A-Z]{3}) (?P<year>\d{4})",
        r"(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4})",
    )
]
LONGEST = 60  # characters
MOST_HOURS = 100_000  # whose offsets are kept


class BadTime(ValueError):
    """A text that is not a time; the message says why."""


class LocalClock:
    """Reads the times of a file; those without a zone are local to `zones`.

    Each is read in the zone in force at that local time. Of a local time that occurs
    twice the first is meant; one that is skipped is moved past the gap.
    """

    def __init__(self, zones: Sequence[ZonePeriod]) -> None:
        self._zones = tuple(zones)
        self._offsets: dict[str, timedelta | None] = {}

    def instant(self, text: str) -> datetime:
        """The instant in UTC. Raises BadTime."""
        text = text.strip()
        try:
            moment = parse_instant(text)
            hour = text[:13]  # or more of the time, in the compact notation
        except ValueError:
            moment, hour = _other_notation(text)
        try:
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
            return self._local(moment, hour)
        except (OverflowError, ValueError) as error:
            raise BadTime(f"{shown(text)} is out of range.") from error

    def _local(self, moment: datetime, hour: str) -> datetime:
        """The instant of a local time; the offset of an hour is computed once."""
        try:
            offset = self._offsets[hour]
        except KeyError:
            offset = self._offset_of(moment)
            if len(self._offsets) > MOST_HOURS:
                self._offsets.clear()
            self._offsets[hour] = offset
        if offset is None:
            return instant_of(moment, self._zones)
        return (moment - offset).replace(tzinfo=UTC)

    def _offset_of(self, moment: datetime) -> timedelta | None:
        """The offset of the hour of a local time; None if it changes in that hour."""
        start = moment.replace(minute=0, second=0, microsecond=0)
        end = start.replace(minute=59, second=59)
        offsets = {
            local - instant_of(local, self._zones).replace(tzinfo=None)
            for local in (start, start.replace(minute=30), end)
        }
        return offsets.pop() if len(offsets) == 1 else None


def epoch_instant(text: str) -> datetime:
    """An instant from whole seconds since 1970. Raises BadTime."""
    try:
        return datetime.fromtimestamp(parse_integer(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        message = f"{shown(text)} is not a time in seconds since 1970."
        raise BadTime(message) from error


def _other_notation(text: str) -> tuple[datetime, str]:
    """A time in one of the other notations, and its hour; aware if it names a zone."""
    if len(text) > LONGEST:
        raise BadTime(f"{shown(text)} is not an ISO 8601 time.")
    return _short_notation(text)


@lru_cache(maxsize=10_000)
def _short_notation(text: str) -> tuple[datetime, str]:
    for notation in NOTATIONS:
        if match := notation.fullmatch(text):
            try:
                moment = _from_parts(match)
            except BadTime:
                raise
            except ValueError as error:
                raise BadTime(f"{shown(text)} is not a time.") from error
            return moment, f"{moment.year}-{moment.month}-{moment.day} {moment.hour}"
    raise BadTime(f"{shown(text)} is not an ISO 8601 time.")


def _from_parts(match: re.Match[str]) -> datetime:
    """Raises ValueError."""
    hour, half = int(match["hour"]), (match["half"] or "").upper()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if half == "PM" else 0)
    month = match["month"]
    moment = datetime(  # noqa: DTZ001
        int(match["year"]),
        int(month) if month.isdigit() else MONTHS.index(month.lower()) + 1,
        int(match["day"]),
        hour,
        int(match["minute"]),
        int(match["second"] or 0),
        int((match["fraction"] or "")[1:7].ljust(6, "0")),  # microseconds, cut
    )
    if not match["zone"]:
        return moment
    return moment.replace(tzinfo=_zone_of(match["zone"]))


@lru_cache(maxsize=1_000)
def _zone_of(name: str) -> timezone | ZoneInfo:
    """Raises BadTime for a zone that is not known."""
    if name[0] in "+-":
        hours, minutes = int(name[1:3]), int(name[-2:])
        offset = timedelta(hours=hours, minutes=minutes)
        if hours > 23 or minutes > 59:
            raise BadTime(f"There is no time zone {shown(name)}.")
        return timezone(-offset if name[0] == "-" else offset)
    if name.lower() in ZONE_HOURS:
        return timezone(timedelta(hours=ZONE_HOURS[name.lower()]))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        message = (
            f"There is no time zone {shown(name)}. Write an offset such as -05:00."
        )
        raise BadTime(message) from error
