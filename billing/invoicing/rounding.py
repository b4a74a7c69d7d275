"""What the steps in which calls are counted cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from billing.money import round_money, round_places
from billing.pricing.rating import RateTerms, rate_usage

PLACES = 6
OTHER_STEPS = ((Decimal(1), Decimal(1)), (Decimal(6), Decimal(6)))


@dataclass(frozen=True, slots=True)
class SteppedCost:
    """A month's usage as some steps count it; `billed` in raw units.

    `difference` is what the list's own steps cost more than these.
    """

    minimum: Decimal
    increment: Decimal
    billed: Decimal
    quantity: Decimal
    amount: Decimal
    difference: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class MeterRounding:
    """A meter's month: really used, as the list counts it, and as others would."""

    meter: str
    unit: str
    used: Decimal
    listed: SteppedCost
    others: list[SteppedCost]


@dataclass(frozen=True, slots=True)
class MonthTerms:
    """How a meter is priced in a month, whatever the steps."""

    rate: RateTerms
    seat_days: int
    month: date
    currency: str


def compare_steps(
    priced: MonthTerms,
    *,
    unit: str,
    used: Decimal,
    billable: Decimal,
    others: Sequence[Decimal],
) -> MeterRounding:
    """Price the sums that OTHER_STEPS give like the list's own, each rounded once.

    Price, allowance and model stay the same. Sums are in raw units.
    """
    rate = priced.rate
    listed = _cost(priced, rate.minimum, rate.increment, billable)
    costs = [
        _cost(priced, minimum, increment, billed)
        for (minimum, increment), billed in zip(OTHER_STEPS, others, strict=True)
    ]
    return MeterRounding(
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
) -> SteppedCost:
    rated = rate_usage(
        billable=billed,
        terms=priced.rate,
        seat_days=priced.seat_days,
        month=priced.month,
    )
    return SteppedCost(
        minimum=minimum,
        increment=increment,
        billed=billed,
        quantity=round_places(rated.quantity, PLACES),
        amount=round_money(rated.amount, priced.currency),
    )
