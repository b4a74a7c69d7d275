"""Local dates, months and time zones. Pure.

A month is represented by its first day. Ranges of dates are half-open.
"""

import calendar
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def month_of(day: date) -> date:
    """The first day of the month that a date is in."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """The first day of the next month."""
    return (
        date(month.year + 1, 1, 1)
        if month.month == 12
        else date(month.year, month.month + 1, 1)
    )


def previous_month(month: date) -> date:
    """The first day of the previous month."""
    return month_of(month_of(month) - DAY)


def days_in_month(month: date) -> int:
    """The number of calendar days, even where a time zone skipped one."""
    return calendar.monthrange(month.year, month.month)[1]


def months_between(first: date, last: date) -> list[date]:
    """The months from first to last, both included; empty when last is earlier."""
    months = []
    while first <= last:
        months.append(first)
        first = next_month(first)
    return months


@dataclass(frozen=True, slots=True)
class DateRange:
    """The dates from `start` up to, not including, `end`; `end` None: without end."""

    start: date
    end: date | None

    def overlap_days(self, other: "DateRange") -> int:
        """The number of dates that both contain. One of the two must have an end."""
        ends = [end for end in (self.end, other.end) if end is not None]
        return max((min(ends) - max(self.start, other.start)).days, 0)


def month_range(month: date) -> DateRange:
    """The dates of a month."""
    return DateRange(month, next_month(month))


def billed_range(added_on: date, removed_on: date | None) -> DateRange:
    """The dates a seat is billed for: at least one (billing rules, "Seat days")."""
    end = added_on + DAY if removed_on == added_on else removed_on
    return DateRange(added_on, end)


@dataclass(frozen=True, slots=True)
class ZonePeriod:
    """A time zone and the month it starts with; the first also holds before that."""

    starts_on: date
    zone: str


def local_date(instant: datetime, zones: Sequence[ZonePeriod]) -> date:
    """The agency's local date of an instant; `zones` in order of their start.

    A change of zone takes effect at midnight of the 1st in the old zone; instants from
    then on follow the new zone, but never to a date before the 1st. So each instant has
    exactly one date.
    """
    day = instant.astimezone(ZoneInfo(zones[0].zone)).date()
    for old, new in itertools.pairwise(zones):
        if instant < _midnight(new.starts_on, old.zone):
            break
        day = max(instant.astimezone(ZoneInfo(new.zone)).date(), new.starts_on)
    return day


def zone_on(zones: Sequence[ZonePeriod], day: date) -> str:
    """The time zone of a local date; `zones` in order of their start."""
    return [zones[0], *(zone for zone in zones if zone.starts_on <= day)][-1].zone


def instant_of(local: datetime, zones: Sequence[ZonePeriod]) -> datetime:
    """The UTC instant of a local time; `zones` in order of their start.

    It is read in the zone that was in force at that local time. Of a time that occurs
    twice the first is meant; one that clocks, or a change of zone, skip is moved past
    the gap. Raises OverflowError or ValueError out of the calendar's range.
    """
    instant = local.replace(tzinfo=ZoneInfo(zones[0].zone)).astimezone(UTC)
    for old, new in itertools.pairwise(zones):
        switch = _midnight(new.starts_on, old.zone)
        if instant < switch:
            break
        later = local.replace(tzinfo=ZoneInfo(new.zone)).astimezone(UTC)
        if later >= switch:
            instant = later
    return instant


def month_over_at(month: date, zones: Sequence[ZonePeriod]) -> datetime:
    """The UTC instant at which the month is over at the agency."""
    following = next_month(month)
    zone = zones[0].zone
    for period in zones[1:]:
        if period.starts_on >= following:
            break
        zone = period.zone
    return _midnight(following, zone)


def _midnight(day: date, zone: str) -> datetime:
    """The UTC instant at which a date starts; a skipped midnight starts after the gap."""
    local = datetime.combine(day, time(), ZoneInfo(zone))
    return local.astimezone(UTC)
