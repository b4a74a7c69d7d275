"""Forecasts of months, without a database."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing.domain.forecast import (
    MeterUse,
    basis_of,
    elapsed_days,
    forecast_billable,
    forecast_month,
)
from billing.pricing.domain.defaults import default_rates
from billing.pricing.domain.rating import MeterNotPriced, PriceListTerms
from tests.build import APRIL, MARCH

PRICES = PriceListTerms(
    code="STD", currency="USD", seat_price=Decimal(50), rates=tuple(default_rates())
)
UNITS = {"voice.out": "minute", "ai.minute": "minute", "gone": "minute"}
sums = st.decimals(0, 10**9, places=6)


def use(elapsed=0, today=0, last_month=0):
    return MeterUse(Decimal(elapsed), Decimal(today), Decimal(last_month))


def expected(used, day):
    return forecast_billable(used, month=MARCH, today=day)


class TestElapsedDays:
    @pytest.mark.parametrize(
        ("today", "days", "basis"),
        [
            (date(2026, 3, 1), 0, "last_month"),
            (date(2026, 3, 2), 1, "elapsed"),
            (date(2026, 3, 31), 30, "elapsed"),
            (date(2026, 4, 1), 31, "complete"),
            (date(2026, 7, 1), 31, "complete"),
        ],
    )
    def test_are_the_dates_that_are_over(self, today, days, basis):
        assert elapsed_days(MARCH, today) == days
        assert basis_of(MARCH, today) == basis


class TestForecastBillable:
    def test_adds_the_average_of_the_dates_over_for_each_date_left(self):
        assert expected(use(elapsed=1000), date(2026, 3, 11)) == 1000 + 21 * 100

    def test_takes_today_for_what_it_has_where_that_is_more(self):
        assert expected(use(1000, 150), date(2026, 3, 11)) == 1000 + 150 + 20 * 100
        assert expected(use(1000, 99), date(2026, 3, 11)) == 1000 + 21 * 100

    def test_takes_last_month_on_the_first_day(self):
        first = date(2026, 3, 1)

        assert expected(use(last_month=2800), first) == 31 * 100
        assert expected(use(today=500, last_month=2800), first) == 500 + 30 * 100
        assert expected(use(today=500), first) == 500
        assert expected(use(), first) == 0

    def test_is_what_was_used_once_the_month_is_over(self):
        assert expected(use(1234, 0, 999), APRIL) == 1234

    def test_is_exact_to_a_millionth(self):
        assert expected(use(elapsed=1), date(2026, 3, 4)) == Decimal("10.333333")

    @given(sums, sums, sums, st.integers(1, 31))
    def test_is_never_less_than_what_was_used(self, elapsed, today, last, day):
        elapsed = elapsed if day > 1 else Decimal(0)

        forecast = expected(use(elapsed, today, last), date(2026, 3, day))

        assert forecast >= elapsed + today


class TestForecastMonth:
    def month(self, uses, today=date(2026, 3, 11), seat_days=62):
        return forecast_month(
            uses, seat_days=seat_days, prices=PRICES, units=UNITS, month=MARCH,
            today=today,
        )  # fmt: skip

    def test_prices_what_was_used_and_what_is_expected(self):
        march = self.month({"voice.out": use(elapsed=60_000)})

        (calls,) = march.meters
        assert (calls.quantity, calls.amount) == (1000, Decimal("18.00"))
        assert (calls.forecast_quantity, calls.forecast_amount) == (
            3100, Decimal("55.80"),
        )  # fmt: skip
        assert march.seat_amount == Decimal("100.00")
        assert (march.total, march.forecast_total) == (
            Decimal("118.00"), Decimal("155.80"),
        )  # fmt: skip

    def test_has_the_whole_allowance_from_the_first_day(self):
        (coach,) = self.month({"ai.minute": use(elapsed=60 * 5_000)}).meters

        assert coach.amount == 0
        assert coach.forecast_amount == (15_500 - 6_000) * Decimal("0.0120")

    def test_leaves_out_meters_used_last_month_that_have_no_price_now(self):
        first = date(2026, 3, 1)

        assert self.month({"gone": use(last_month=60)}, today=first).meters == []
        with pytest.raises(MeterNotPriced):
            self.month({"gone": use(today=60)}, today=first)
