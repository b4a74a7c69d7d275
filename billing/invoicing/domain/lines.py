"""Turns differences into document lines with descriptions. Pure."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from billing.invoicing.domain.content import Line
from billing.invoicing.domain.differences import ChargeDifference
from billing.pricing.domain.rating import PriceListTerms
from core.money import plain, round_places
from core.periods import days_in_month

PLACES = 6
ZERO = Decimal(0)


def line_of(
    difference: ChargeDifference,
    *,
    late: bool,
    prices: PriceListTerms,
    units: dict[str, tuple[str, str]],
) -> Line:
    """The line of a difference; `units` has each meter's name and billed unit."""
    charge = difference.charge
    quantity = _decimal(charge.quantity) if charge else ZERO
    included = _decimal(charge.included) if charge else ZERO
    return Line(
        agency_id=difference.key.agency_id,
        month=difference.key.month,
        late=late,
        meter=difference.key.meter,
        price_list=prices.code,
        description=_describe(difference, quantity, included, units),
        raw=charge.raw if charge else ZERO,
        billable=charge.billable if charge else ZERO,
        quantity=quantity,
        included=included,
        unit_price=charge.unit_price if charge else None,
        charge=charge.amount if charge else ZERO,
        amount_before=difference.before,
        amount_now=difference.now,
        tax=ZERO,
    )


def _decimal(number: Fraction) -> Decimal:
    """Rounded to 6 places; most quantities are whole."""
    if number.denominator == 1:
        return Decimal(number.numerator)
    return round_places(number, PLACES)


def _describe(
    difference: ChargeDifference,
    quantity: Decimal,
    included: Decimal,
    units: dict[str, tuple[str, str]],
) -> str:
    month = difference.key.month
    if difference.key.meter is None:
        days = days_in_month(month)
        return (
            f"Seats, {_name(month)}: {plain(quantity)} seat days ({days} per full seat)"
        )
    name, unit = units[difference.key.meter]
    text = f"{name}, {_name(month)}: {plain(quantity)} {unit}{_s(quantity)}"
    if included:
        text += f", {plain(included)} included"
    return text


@lru_cache(maxsize=64)
def _name(month: date) -> str:
    return f"{month:%B %Y}"


def _s(quantity: Decimal) -> str:
    return "" if quantity == 1 else "s"
