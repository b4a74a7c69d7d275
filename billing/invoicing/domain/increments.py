"""Compares the cost of a month's usage under different billing increments. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from billing.pricing.domain.rating import RateTerms, rate_usage
from core.money import round_money, round_places

PLACES = 6
OTHER_INCREMENTS = ((Decimal(1), Decimal(1)), (Decimal(6), Decimal(6)))


@dataclass(frozen=True, slots=True)
class IncrementCost:
    """A month's usage counted with a minimum and increment; `billed` in raw units.

    `difference` is how much more the price list's own increment costs.
    """

    minimum: Decimal
    increment: Decimal
    billed: Decimal
    quantity: Decimal
    amount: Decimal
    difference: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class IncrementComparison:
    """A meter's month: raw usage, and its cost by the list's and other increments."""

    meter: str
    unit: str
    used: Decimal
    listed: IncrementCost
    others: list[IncrementCost]


@dataclass(frozen=True, slots=True)
class MonthTerms:
    """How a meter is priced in a month, apart from the increment."""

    rate: RateTerms
    seat_days: int
    month: date
    currency: str


def compare_increments(
    priced: MonthTerms,
    *,
    unit: str,
    used: Decimal,
    billable: Decimal,
    others: Sequence[Decimal],
) -> IncrementComparison:
    """Price the usage as the list counts it and as OTHER_INCREMENTS do, each rounded once.

    Price, allowance and model stay the same. `others` are the sums, in raw units, that
    OTHER_INCREMENTS give.
    """
    rate = priced.rate
    listed = _cost(priced, rate.minimum, rate.increment, billable)
    costs = [
        _cost(priced, minimum, increment, billed)
        for (minimum, increment), billed in zip(OTHER_INCREMENTS, others, strict=True)
    ]
    return IncrementComparison(
        meter=rate.meter,
        unit=unit,
        used=used,
        listed=listed,
        others=[
            replace(cost, difference=listed.amount - cost.amount) for cost in costs
        ],
    )


def _cost(
    priced: MonthTerms, minimum: Decimal, increment: Decimal, billed: Decimal
) -> IncrementCost:
    rated = rate_usage(
        billable=billed,
        terms=priced.rate,
        seat_days=priced.seat_days,
        month=priced.month,
    )
    return IncrementCost(
        minimum=minimum,
        increment=increment,
        billed=billed,
        quantity=round_places(rated.quantity, PLACES),
        amount=round_money(rated.amount, priced.currency),
    )
