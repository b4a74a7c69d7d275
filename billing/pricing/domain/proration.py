"""Prices seat days, by the formulas of docs/billing-rules.md. Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from core.money import allocate, round_money
from core.periods import days_in_month


def seat_charge(
    *, seat_price: Decimal, seat_days: int, month: date, currency: str
) -> Decimal:
    """Seat price x seat days / days in the month, rounded once to the minor unit."""
    exact = Fraction(seat_price) * seat_days / days_in_month(month)
    return round_money(exact, currency)


def seat_parts(*, charge: Decimal, days: Sequence[int], currency: str) -> list[Decimal]:
    """Split a seat charge by seat days; the parts sum to the charge."""
    return allocate(charge, days, currency)


def included_quantity(
    *, included_per_seat: Decimal, seat_days: int, month: date
) -> Fraction:
    """The pooled allowance of a month, in billed units, in proportion to seat days."""
    return Fraction(included_per_seat) * seat_days / days_in_month(month)
