"""Why a bill is another than the month before: its items, compared. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)
SEATS = "seats"
LATE = "late"  # what changed in months that were billed before
PRICES = "prices"  # what another price list changes, of all seats and meters together
TAX = "tax"


@dataclass(frozen=True, slots=True)
class BillItem:
    """A payer's amount for a thing: SEATS, the code of a meter, LATE or TAX.

    `quantity` is the agency's, in seat days or billed units, and 0 if it is late or a
    tax. `at_last_prices` is the amount by the price list of the month before.
    """

    agency_id: int
    thing: str
    quantity: Decimal
    amount: Decimal
    at_last_prices: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """A thing, or PRICES, on two bills; `more` is the difference of its quantities.

    `now` is by the prices of the month before. That of PRICES is what new prices add.
    """

    thing: str
    before: Decimal
    now: Decimal
    more: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        """How much more the thing costs now."""
        return self.now - self.before


def total_of(items: Iterable[BillItem]) -> Decimal:
    """What the items come to."""
    return sum((item.amount for item in items), ZERO)


def changes_between(
    before: Sequence[BillItem], now: Sequence[BillItem]
) -> list[Change]:
    """What is different, by thing: seats, meters by code, late lines, tax, new prices.

    The amounts of the changes sum to the difference of the totals exactly, since all
    things but the last are compared by the prices of the month before.
    """
    things = {item.thing for item in [*before, *now]}
    changes = [
        Change(
            thing,
            before=_amount(before, thing),
            now=sum((i.at_last_prices for i in now if i.thing == thing), ZERO),
            more=_quantity(now, thing) - _quantity(before, thing),
        )
        for thing in sorted(things, key=_order)
    ]
    by_prices = sum((item.amount - item.at_last_prices for item in now), ZERO)
    if by_prices:
        changes.append(Change(PRICES, ZERO, by_prices))
    return changes


def _amount(items: Sequence[BillItem], thing: str) -> Decimal:
    return total_of(item for item in items if item.thing == thing)


def _quantity(items: Sequence[BillItem], thing: str) -> Decimal:
    """Of each agency once, also if several payers share what it costs."""
    by_agency = {item.agency_id: item.quantity for item in items if item.thing == thing}
    return sum(by_agency.values(), ZERO)


def _order(thing: str) -> tuple[int, str]:
    return ({SEATS: 0, LATE: 2, TAX: 3}.get(thing, 1), thing)
