"""Local dates, over changes of clocks and of zones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.periods import (
    DateRange,
    ZonePeriod,
    billed_range,
    instant_of,
    local_date,
    month_over_at,
    month_range,
    months_between,
    next_month,
    previous_month,
)

NEW_YORK = [ZonePeriod(date(2026, 1, 1), "America/New_York")]
zones = st.sampled_from(
    ["America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Europe/London",
     "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/Phoenix"]
)  # fmt: skip
instants = st.datetimes(
    datetime(2026, 2, 1),  # noqa: DTZ001
    datetime(2026, 6, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


class TestLocalDate:
    @given(instants)
    def test_is_the_zones_own_date_without_a_change(self, instant):
        wall = instant.astimezone(ZoneInfo("America/New_York"))

        assert local_date(instant, NEW_YORK) == wall.date()

    @given(instants, st.timedeltas(timedelta(0), timedelta(days=3)), zones, zones)
    def test_never_goes_back_over_a_change_of_zone(self, instant, later, old, new):
        periods = [ZonePeriod(date(2026, 1, 1), old), ZonePeriod(date(2026, 4, 1), new)]

        assert local_date(instant, periods) <= local_date(instant + later, periods)

    @given(instants, zones, zones)
    def test_keeps_to_the_old_zone_until_its_midnight_of_the_first(
        self, instant, old, new
    ):
        periods = [ZonePeriod(date(2026, 1, 1), old), ZonePeriod(date(2026, 4, 1), new)]
        midnight = datetime(2026, 4, 1, tzinfo=ZoneInfo(old))

        day = local_date(instant, periods)

        if instant < midnight:
            assert day == instant.astimezone(ZoneInfo(old)).date()
        else:
            assert day >= date(2026, 4, 1)

    def test_counts_an_hour_that_clocks_make_twice_once(self):
        before = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)

        days = {local_date(before + timedelta(hours=n), NEW_YORK) for n in range(3)}

        assert days == {date(2026, 11, 1)}


class TestMonthOverAt:
    @given(zones, zones, st.timedeltas(timedelta(0), timedelta(days=40)))
    def test_is_the_first_instant_of_no_date_of_the_month(self, old, new, later):
        periods = [ZonePeriod(date(2026, 1, 1), old), ZonePeriod(date(2026, 4, 1), new)]
        over = month_over_at(date(2026, 3, 1), periods)

        assert local_date(over - timedelta(microseconds=1), periods).month == 3
        assert local_date(over + later, periods) >= date(2026, 4, 1)


class TestDateRange:
    @given(st.dates(date(2026, 1, 1), date(2026, 5, 1)), st.integers(0, 90))
    def test_overlaps_a_month_as_counting_says(self, start, length):
        days = DateRange(start, start + timedelta(days=length))
        counted = sum((start + timedelta(days=n)).month == 3 for n in range(length))

        assert days.overlap_days(month_range(date(2026, 3, 1))) == counted

    def test_without_an_end_goes_on_for_ever(self):
        days = DateRange(date(2026, 3, 30), None)

        assert days.overlap_days(month_range(date(2026, 3, 1))) == 2

    @pytest.mark.parametrize(("removed", "days"), [(10, 1), (11, 1), (12, 2)])
    def test_of_a_seat_is_a_day_at_least(self, removed, days):
        billed = billed_range(date(2026, 3, 10), date(2026, 3, removed))

        assert billed.overlap_days(month_range(date(2026, 3, 1))) == days


class TestMonths:
    @given(st.integers(1990, 2100), st.integers(1, 12), st.integers(0, 60))
    def test_follow_one_another(self, year, month, many):
        first = last = date(year, month, 1)
        for _ in range(many):
            last = next_month(last)

        months = months_between(first, last)

        assert len(months) == many + 1
        assert [previous_month(m) for m in months[1:]] == months[:-1]


class TestInstantOf:
    """Moves from New York to Tokyo in May, and from Tokyo to New York in July."""

    ZONES = [
        *NEW_YORK,
        ZonePeriod(date(2026, 5, 1), "Asia/Tokyo"),
        ZonePeriod(date(2026, 7, 1), "America/New_York"),
    ]

    @pytest.mark.parametrize(
        ("local", "utc"),
        [
            ("2026-04-30T12:00", "2026-04-30T16:00"),
            ("2026-05-01T05:00", "2026-05-01T09:00"),  # skipped: past the gap
            ("2026-05-01T13:00", "2026-05-01T04:00"),  # the first minute in Tokyo
            ("2026-06-30T23:30", "2026-06-30T14:30"),  # occurs twice: the first
            ("2026-07-01T00:30", "2026-07-01T04:30"),
            ("2026-03-08T02:30", "2026-03-08T07:30"),  # clocks skip it
            ("2026-11-01T01:30", "2026-11-01T05:30"),  # clocks repeat it
        ],
    )
    def test_reads_the_zone_in_force_at_a_local_time(self, local, utc):
        instant = instant_of(datetime.fromisoformat(local), self.ZONES)

        assert instant == datetime.fromisoformat(utc).replace(tzinfo=UTC)
