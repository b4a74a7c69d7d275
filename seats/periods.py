"""Local dates, months and zones. Pure.

A month is named by its first day. Ranges of dates are half-open.
"""

import calendar
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def month_of(day: date) -> date:
    """The month a date is in."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """The month after."""
    return (
        date(month.year + 1, 1, 1)
        if month.month == 12
        else date(month.year, month.month + 1, 1)
    )


def previous_month(month: date) -> date:
    """The month before."""
    return month_of(month_of(month) - DAY)


def days_in_month(month: date) -> int:
    """Calendar days; also where a zone skipped one."""
    return calendar.monthrange(month.year, month.month)[1]


def months_between(first: date, last: date) -> list[date]:
    """The months from first to last, both included; none when last is earlier."""
    months = []
    while first <= last:
        months.append(first)
        first = next_month(first)
    return months


@dataclass(frozen=True, slots=True)
class DateRange:
    """The dates from `start` up to, not including, `end`; without `end`: for ever."""

    start: date
    end: date | None

    def overlap_days(self, other: "DateRange") -> int:
        """How many dates both contain. One of the two must have an end."""
        ends = [end for end in (self.end, other.end) if end is not None]
        return max((min(ends) - max(self.start, other.start)).days, 0)


def month_range(month: date) -> DateRange:
    """The dates of a month."""
    return DateRange(month, next_month(month))


def billed_range(added_on: date, removed_on: date | None) -> DateRange:
    """The dates a seat is billed for: one at least (billing rules, "Seat days")."""
    end = added_on + DAY if removed_on == added_on else removed_on
    return DateRange(added_on, end)


@dataclass(frozen=True, slots=True)
class ZonePeriod:
    """A zone and the month it starts with; the first one holds before that too."""

    starts_on: date
    zone: str


def local_date(instant: datetime, zones: Sequence[ZonePeriod]) -> date:
    """The agency's date of an instant; `zones` in order of their start.

    The switch is midnight of the 1st in the old zone; instants from then on follow
    the new zone, but never to a date before the 1st. Each instant has one date.
    """
    day = instant.astimezone(ZoneInfo(zones[0].zone)).date()
    for old, new in itertools.pairwise(zones):
        if instant < _midnight(new.starts_on, old.zone):
            break
        day = max(instant.astimezone(ZoneInfo(new.zone)).date(), new.starts_on)
    return day


def zone_on(zones: Sequence[ZonePeriod], day: date) -> str:
    """The zone that a date of an agency follows; `zones` in order of their start."""
    return [zones[0], *(zone for zone in zones if zone.starts_on <= day)][-1].zone


def month_over_at(month: date, zones: Sequence[ZonePeriod]) -> datetime:
    """The instant (UTC) from which no local date of the month, or before, comes."""
    following = next_month(month)
    zone = zones[0].zone
    for period in zones[1:]:
        if period.starts_on >= following:
            break
        zone = period.zone
    return _midnight(following, zone)


def _midnight(day: date, zone: str) -> datetime:
    """When a date starts in a zone; a skipped midnight starts after the gap."""
    local = datetime.combine(day, time(), ZoneInfo(zone))
    return local.astimezone(UTC)
