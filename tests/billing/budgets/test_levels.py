"""Levels of budgets, as pure arithmetic."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.budgets.domain.levels import BudgetLevel, level_of, reached
from billing.invoicing.domain.forecast import MeterUse, forecast_billable

MARCH = date(2026, 3, 1)
LIMIT = Decimal(1000)


def level(elapsed, today_used, day, limit=LIMIT):
    use = MeterUse(Decimal(elapsed), Decimal(today_used))
    today = MARCH + timedelta(days=day - 1)
    return level_of(
        lambda through: forecast_billable(
            use, month=MARCH, today=today, through=max(through, today)
        ),
        used=use.elapsed + use.today,
        limit=limit,
        month=MARCH,
        today=today,
    )


class TestReached:
    @pytest.mark.parametrize(
        ("used", "expected"),
        [
            ("499.999999", []),
            ("500", [50]),
            ("999.99", [50, 80]),
            ("1000", [50, 80, 100]),
        ],
    )
    def test_counts_a_threshold_from_the_very_amount_on(self, used, expected):
        level = BudgetLevel(Decimal(used), Decimal(0))

        assert reached(level, LIMIT, [100, 50, 80]) == expected


class TestLevelOf:
    def test_names_the_date_by_whose_end_the_limit_is_reached(self):
        """Fifty a date: 500 after ten, 1,000 with the twentieth."""
        march = level(500, 0, day=11)

        assert (march.used, march.expected) == (500, 1550)
        assert march.full_on == date(2026, 3, 20)

    def test_may_name_today_and_the_last_date(self):
        assert level(900, 0, day=11).full_on == date(2026, 3, 12)
        assert level(950, 0, day=11).full_on == date(2026, 3, 11)
        assert level(325, 0, day=11).full_on == date(2026, 3, 31)

    def test_names_none_where_the_limit_holds_or_is_reached(self):
        assert level(300, 0, day=11).full_on is None
        assert level(1000, 0, day=11).full_on is None

    def test_names_none_with_fewer_than_three_dates_behind_it(self):
        assert level(900, 0, day=3).full_on is None
        assert level(900, 0, day=4).full_on == date(2026, 3, 4)

    def test_names_none_once_the_month_is_over(self):
        march = level(900, 0, day=32)

        assert (march.used, march.expected, march.full_on) == (900, 900, None)

    @given(st.integers(0, 2000), st.integers(0, 300), st.integers(4, 31))
    def test_names_the_first_such_date(self, elapsed, today_used, day):
        march = level(elapsed, today_used, day)
        today = MARCH + timedelta(days=day - 1)
        use = MeterUse(Decimal(elapsed), Decimal(today_used))
        by = {
            end: forecast_billable(use, month=MARCH, today=today, through=end)
            for end in (today + timedelta(days=n) for n in range(32 - day))
        }
        first = next((end for end, used in by.items() if used >= LIMIT), None)

        assert march.full_on == (None if march.used >= LIMIT else first)
