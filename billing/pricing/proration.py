"""Seat days to money. Pure; the formulas are those of the billing rules."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from billing.money import allocate, round_money
from seats.periods import days_in_month


def seat_charge(
    *, seat_price: Decimal, seat_days: int, month: date, currency: str
) -> Decimal:
    """Seat price x seat days / days in the month, rounded once."""
    exact = Fraction(seat_price) * seat_days / days_in_month(month)
    return round_money(exact, currency)


def seat_parts(*, charge: Decimal, days: Sequence[int], currency: str) -> list[Decimal]:
    """What each seat or holder contributes to a seat charge; sums to the charge."""
    return allocate(charge, days, currency)


def included_quantity(
    *, included_per_seat: Decimal, seat_days: int, month: date
) -> Fraction:
    """The pooled allowance, in billed units: per seat, by its days in the month."""
    return Fraction(included_per_seat) * seat_days / days_in_month(month)
