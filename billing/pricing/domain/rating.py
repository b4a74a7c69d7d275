"""Prices usage: billable steps, the allowance, and the four pricing models. Pure."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Literal

from billing.pricing.domain.proration import included_quantity
from core.errors import Refusal

Model = Literal["per_unit", "graduated", "volume", "package"]
PRICE_PLACES = 8


class MeterNotPriced(Refusal):
    """The price list has no rate for a meter.

    Use a meter of the price list, or publish a list with a rate for it.
    """

    code = "meter_not_priced"


class BadRate(Refusal):
    """A rate of the price list cannot price every quantity.

    Correct the part of the rate that `field` names.
    """

    code = "bad_rate"


@dataclass(frozen=True, slots=True)
class Tier:
    """A price up to and including `up_to` billed units; None in the last tier."""

    up_to: Decimal | None
    unit_price: Decimal
    flat_fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class RateTerms:
    """What a meter costs. `minimum`, `increment` and `unit_size` are in raw units."""

    meter: str
    minimum: Decimal
    increment: Decimal
    unit_size: Decimal
    model: Model
    unit_price: Decimal | None
    included_per_seat: Decimal = Decimal(0)
    package_size: Decimal | None = None
    tiers: tuple[Tier, ...] = ()


@dataclass(frozen=True)
class PriceListTerms:
    """A price list as values. Prices are in `currency`, with up to 8 decimal places."""

    code: str
    currency: str
    seat_price: Decimal
    rates: tuple[RateTerms, ...]
    content_hash: str = ""
    list_id: int | None = None

    @cached_property
    def rates_by_meter(self) -> dict[str, RateTerms]:
        return {terms.meter: terms for terms in self.rates}

    def rate(self, meter: str) -> RateTerms:
        """The terms of a meter. Raises MeterNotPriced."""
        try:
            return self.rates_by_meter[meter]
        except KeyError:
            message = f"The price list {self.code} has no rate for the meter {meter}."
            raise MeterNotPriced(message, field="meter") from None


@dataclass(frozen=True, slots=True)
class RatedUsage:
    """A month's usage of a meter, in billed units, and its amount before rounding."""

    quantity: Fraction
    included: Fraction
    charged: Fraction
    amount: Fraction


def billable_raw(raw: Decimal, terms: RateTerms) -> Decimal:
    """What an event counts, in raw units: whole increments, at least the minimum.

    0 stays 0: an unanswered call is free.
    """
    if not raw:
        return Decimal(0)
    whole, begun = divmod(max(raw, terms.minimum), terms.increment)
    return (whole + 1 if begun else whole) * terms.increment


def rate_usage(
    *, billable: Decimal, terms: RateTerms, seat_days: int, month: date
) -> RatedUsage:
    """Price an agency's billable sum of a month (raw units), less its allowance."""
    quantity = _ratio(billable, terms.unit_size)
    included = Fraction(0)
    if terms.included_per_seat:
        allowance = included_quantity(
            included_per_seat=terms.included_per_seat, seat_days=seat_days, month=month
        )
        included = min(quantity, allowance)
    charged = quantity - included if included else quantity
    amount = _PRICES[terms.model](charged, terms) if charged else Fraction(0)
    return RatedUsage(quantity, included, charged, amount)


def _ratio(number: Decimal, by: Decimal) -> Fraction:
    top, bottom = number.as_integer_ratio()
    by_top, by_bottom = by.as_integer_ratio()
    return Fraction(top * by_bottom, bottom * by_top)


def _per_unit(charged: Fraction, terms: RateTerms) -> Fraction:
    price, places = (terms.unit_price or Decimal(0)).as_integer_ratio()
    return Fraction(charged.numerator * price, charged.denominator * places)


def _package(charged: Fraction, terms: RateTerms) -> Fraction:
    """A package that is begun counts as a whole one."""
    packages = ceil(charged / Fraction(terms.package_size or 1))
    return packages * Fraction(terms.unit_price or 0)


def _graduated(charged: Fraction, terms: RateTerms) -> Fraction:
    """Each tier prices its own slice; a tier that is reached adds its flat fee."""
    amount, below = Fraction(0), Fraction(0)
    for tier in terms.tiers:
        if charged <= below:
            break
        top = charged if tier.up_to is None else min(charged, Fraction(tier.up_to))
        amount += (top - below) * Fraction(tier.unit_price) + Fraction(tier.flat_fee)
        below = top
    return amount


def _volume(charged: Fraction, terms: RateTerms) -> Fraction:
    """The tier that the whole quantity reaches prices all of it."""
    tier = next(t for t in terms.tiers if t.up_to is None or charged <= t.up_to)
    return charged * Fraction(tier.unit_price) + Fraction(tier.flat_fee)


_PRICES: dict[str, Callable[[Fraction, RateTerms], Fraction]] = {
    "per_unit": _per_unit,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
}


_USED_BY = "is required with the model {} and not allowed with others; the model is {}"


def validate_terms(terms: RateTerms) -> None:
    """Refuse terms that could not price every quantity. Raises BadRate."""
    for name in ("minimum", "included_per_seat"):
        _require(getattr(terms, name) >= 0, name, "must not be negative")
    for name in ("increment", "unit_size"):
        _require(getattr(terms, name) > 0, name, "must be greater than zero")
    tiered = terms.model in {"graduated", "volume"}
    _require((terms.unit_price is None) == tiered, "unit_price",
             _USED_BY.format("per_unit or package", terms.model))  # fmt: skip
    _require((terms.package_size is None) == (terms.model != "package"),
             "package_size", _USED_BY.format("package", terms.model))  # fmt: skip
    if terms.package_size is not None:
        _require(terms.package_size > 0, "package_size", "must be greater than zero")
    _require(bool(terms.tiers) == tiered, "tiers",
             _USED_BY.format("graduated or volume", terms.model))  # fmt: skip
    _validate_tiers(terms.tiers)
    prices = [terms.unit_price] if terms.unit_price is not None else []
    prices += [p for tier in terms.tiers for p in (tier.unit_price, tier.flat_fee)]
    for price in prices:
        _require(price >= 0, "unit_price", "must not be negative")
        _require(_places(price) <= PRICE_PLACES, "unit_price",
                 f"must have at most {PRICE_PLACES} decimal places")  # fmt: skip


def _validate_tiers(tiers: tuple[Tier, ...]) -> None:
    bounds = [tier.up_to for tier in tiers]
    if not bounds:
        return
    _require(bounds[-1] is None, "tiers", "must end with a tier without `up_to`")
    closed = [bound for bound in bounds if bound is not None]
    ascending = all(low < high for low, high in itertools.pairwise(closed))
    _require(
        len(closed) == len(bounds) - 1 and ascending and min(closed, default=1) > 0,
        "tiers",
        "must have rising `up_to` bounds greater than zero",
    )


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _require(holds: bool, field: str, message: str) -> None:  # noqa: FBT001
    if not holds:
        raise BadRate(f"`{field}` {message}.", field=field)
