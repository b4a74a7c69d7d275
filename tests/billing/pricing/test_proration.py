"""Seat days to money, over every month and number of seats."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from billing.pricing.domain.proration import included_quantity, seat_charge, seat_parts
from core.periods import days_in_month

months = st.builds(
    lambda y, m: date(y, m, 1), st.integers(2024, 2030), st.integers(1, 12)
)
prices = st.decimals("0.01", "200", places=2)


def charge(days, month, price=Decimal(50)):
    return seat_charge(seat_price=price, seat_days=days, month=month, currency="USD")


class TestSeatCharge:
    @given(months, st.integers(1, 40))
    def test_a_full_month_is_exactly_the_price(self, month, seats):
        assert charge(seats * days_in_month(month), month) == 50 * seats

    @given(months, st.integers(0, 2000), prices)
    def test_is_off_by_half_a_cent_at_most(self, month, days, price):
        exact = Fraction(price) * days / days_in_month(month)

        assert abs(Fraction(charge(days, month, price)) - exact) <= Fraction(1, 200)


class TestSeatParts:
    @given(months, prices, st.data())
    def test_sum_to_the_charge_and_never_exceed_a_month(self, month, price, data):
        whole = days_in_month(month)
        days = data.draw(st.lists(st.integers(0, whole), min_size=1, max_size=40))
        total = charge(sum(days), month, price)

        parts = seat_parts(charge=total, days=days, currency="USD")

        assert sum(parts) == total
        assert max(parts) <= price
        assert all(part == 0 for part, own in zip(parts, days, strict=True) if not own)

    @given(months, st.integers(1, 30), st.integers(0, 30))
    def test_a_full_month_is_exactly_the_price(self, month, full, other):
        whole = days_in_month(month)
        days = [whole] * full + [min(other, whole - 1)]

        parts = seat_parts(charge=charge(sum(days), month), days=days, currency="USD")

        assert set(parts[:full]) == {Decimal(50)}


class TestIncludedQuantity:
    @given(months, st.integers(0, 50))
    def test_is_so_much_per_full_seat(self, month, seats):
        included = included_quantity(
            included_per_seat=Decimal(3000),
            seat_days=seats * days_in_month(month),
            month=month,
        )

        assert included == 3000 * seats
