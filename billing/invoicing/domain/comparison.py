"""What made the difference between two documents, in parts that sum to it. Pure.

Amounts are the payer's, in the currency of both. The effects are taken one after the
other: seats, the days they were there, their price; usage, then its prices; the payer's
share of a charge. Lines for earlier months are a part of their own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from billing.pricing.domain.rating import PriceListTerms, rate_usage
from core.money import round_money
from core.periods import days_in_month

ZERO = Decimal(0)


class Cause(StrEnum):
    """Why the later document differs; in the order in which the parts are listed."""

    SEATS = "seats"
    DAYS = "days"
    SEAT_PRICE = "seat price"
    USAGE = "usage"
    USAGE_PRICE = "usage prices"
    SHARE = "share"
    LATE = "earlier months"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line of a document. `seats` and `seat_days` are the agency's of that month.

    `charge` is the agency's whole charge, `amount` the payer's part, without tax.
    """

    agency_id: int
    month: date
    late: bool
    meter: str | None
    quantity: Decimal
    billable: Decimal
    charge: Decimal
    amount: Decimal
    tax: Decimal
    unit_price: Decimal | None
    list_id: int
    seats: int
    seat_days: int


class Part(NamedTuple):
    """A part of a difference; `before` and `after` are counts of what `cause` is about.

    Both are None where nothing is counted, such as for prices.
    """

    cause: Cause
    meter: str | None
    before: Decimal | None
    after: Decimal | None
    amount: Decimal


Key = tuple[Cause, str | None]
Effects = dict[Key, Fraction]
Prices = Mapping[int, PriceListTerms]


def compare_lines(
    before: Sequence[ComparedLine],
    after: Sequence[ComparedLine],
    *,
    prices: Prices,
    currency: str,
) -> list[Part]:
    """The parts of what `after` comes to, less what `before` does. They sum to it.

    `prices` are the terms of every price list of the lines, by id. Each part is rounded
    once; what rounding leaves is added to the largest.
    """
    effects: Effects = {}
    for old, new in _pairs(before, after):
        line = old or new
        assert line
        add = _seat_effects if line.meter is None else _usage_effects
        for key, amount in add(old, new, prices):
            effects[key] = effects.get(key, Fraction(0)) + amount
    for cause, amounts in (
        (Cause.LATE, _late(after) - _late(before)),
        (Cause.TAX, _tax(after) - _tax(before)),
    ):
        effects[cause, None] = Fraction(amounts)
    total = _total(after) - _total(before)
    counts = _counts(before), _counts(after)
    return [
        Part(*key, _count(counts[0], key), _count(counts[1], key), amount)
        for key, amount in _rounded(effects, total, currency).items()
        if amount or _count(counts[0], key) != _count(counts[1], key)
    ]


def _pairs(
    before: Iterable[ComparedLine], after: Iterable[ComparedLine]
) -> list[tuple[ComparedLine | None, ComparedLine | None]]:
    """The lines of both documents for the same agency and meter."""
    old, new = ({(line.agency_id, line.meter): line for line in lines if not line.late}
                for lines in (before, after))  # fmt: skip
    keys = sorted(old.keys() | new.keys(), key=lambda key: (key[0], key[1] or ""))
    return [(old.get(key), new.get(key)) for key in keys]


def _seat_effects(
    old: ComparedLine | None, new: ComparedLine | None, prices: Prices
) -> list[tuple[Key, Fraction]]:
    price = _either(old, new, _seat_price)
    share = _either(old, new, _share)
    months = [_seat_months(line) for line in (old, new)]
    seats = [line.seats if line else 0 for line in (old, new)]
    partial = [month - count for month, count in zip(months, seats, strict=True)]
    return [
        ((Cause.SEATS, None), share[0] * price[0] * (seats[1] - seats[0])),
        ((Cause.DAYS, None), share[0] * price[0] * (partial[1] - partial[0])),
        ((Cause.SEAT_PRICE, None), share[0] * (price[1] - price[0]) * months[1]),
        ((Cause.SHARE, None), (share[1] - share[0]) * price[1] * months[1]),
    ]


def _usage_effects(
    old: ComparedLine | None, new: ComparedLine | None, prices: Prices
) -> list[tuple[Key, Fraction]]:
    share = _either(old, new, _share)
    charges = [Fraction(line.charge) if line else Fraction(0) for line in (old, new)]
    meter = (old or new).meter  # type: ignore[union-attr]
    at_old_prices = charges[1]
    if old and new and old.list_id != new.list_id:
        terms = prices[old.list_id].rates_by_meter.get(new.meter or "")
        if terms:
            at_old_prices = rate_usage(
                billable=new.billable,
                terms=terms,
                seat_days=new.seat_days,
                month=new.month,
            ).amount
    return [
        ((Cause.USAGE, meter), share[0] * (at_old_prices - charges[0])),
        ((Cause.USAGE_PRICE, meter), share[0] * (charges[1] - at_old_prices)),
        ((Cause.SHARE, None), (share[1] - share[0]) * charges[1]),
    ]


def _either(
    old: ComparedLine | None,
    new: ComparedLine | None,
    value: Callable[[ComparedLine], Fraction],
) -> tuple[Fraction, Fraction]:
    """The value of both lines; where there is only one, its value twice."""
    first, second = old or new, new or old
    assert first
    assert second
    return value(first), value(second)


def _seat_price(line: ComparedLine) -> Fraction:
    return Fraction(line.unit_price or 0)


def _share(line: ComparedLine) -> Fraction:
    """The part of the agency's charge that the payer owes."""
    if not line.charge:
        return Fraction(1)
    return Fraction(line.amount) / Fraction(line.charge)


def _seat_months(line: ComparedLine | None) -> Fraction:
    if line is None:
        return Fraction(0)
    return Fraction(line.quantity) / days_in_month(line.month)


def _late(lines: Iterable[ComparedLine]) -> Decimal:
    return sum((line.amount for line in lines if line.late), ZERO)


def _tax(lines: Iterable[ComparedLine]) -> Decimal:
    return sum((line.tax for line in lines), ZERO)


def _total(lines: Iterable[ComparedLine]) -> Decimal:
    return sum((line.amount + line.tax for line in lines), ZERO)


def _counts(lines: Iterable[ComparedLine]) -> dict[Key, Decimal]:
    """How many seats, seat days and billed units the lines are about."""
    counts: dict[Key, Decimal] = {}
    for line in lines:
        if line.late:
            continue
        added: dict[Key, Decimal] = {(Cause.USAGE, line.meter): line.quantity}
        if line.meter is None:
            added = {(Cause.SEATS, None): Decimal(line.seats)}
            added[Cause.DAYS, None] = line.quantity
        for key, count in added.items():
            counts[key] = counts.get(key, ZERO) + count
    return counts


def _count(counts: Mapping[Key, Decimal], key: Key) -> Decimal | None:
    is_counted = key[0] in {Cause.SEATS, Cause.DAYS, Cause.USAGE}
    return counts.get(key, ZERO) if is_counted else None


def _rounded(effects: Effects, total: Decimal, currency: str) -> dict[Key, Decimal]:
    """The effects in minor units, in the order of causes; they sum to the total."""
    order = list(Cause)
    keys = sorted(effects, key=lambda key: (order.index(key[0]), key[1] or ""))
    rounded = {key: round_money(effects[key], currency) for key in keys}
    left = total - sum(rounded.values(), ZERO)
    if left:
        largest = max(keys, key=lambda key: abs(effects[key]))
        rounded[largest] += left
    return rounded
