"""Scenarios for a quote: what they look like, and what is refused. Pure."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from billing.money import minor_digits
from billing.pricing.rating import (
    BadRate,
    PriceListTerms,
    RateTerms,
    Tier,
    validate_terms,
)
from seats.errors import Refusal
from seats.parsing import values
from seats.parsing.strict_json import JsonRefused, decode_json

MAX_LINE_BYTES = 8 * 2**20
MAX_DIGITS = 30
# What a quote over HTTP may have, in all; it takes a tenth of a second at most.
MAX_QUOTE_BYTES = 256 * 1024
QUOTE_LIMITS = {
    "seats": 1_000,
    "usage": 1_000,
    "usage.raw": 10_000,
    "price_list.rates": 100,
    "price_list.rates.tiers": 1_000,
}


class BadScenario(Refusal):
    """A scenario that cannot be priced; `code` says the kind of problem."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.code = code  # type: ignore[misc]


class TierIn(msgspec.Struct, forbid_unknown_fields=True):
    up_to: str | int | None
    unit_price: str | int
    flat_fee: str | int = "0"


class RateIn(msgspec.Struct, forbid_unknown_fields=True):
    meter: str
    minimum: str | int = 0
    increment: str | int = 1
    unit_size: str | int = 1
    model: str = "per_unit"
    unit_price: str | int | None = None
    included_per_seat: str | int = "0"
    package_size: str | int | None = None
    tiers: list[TierIn] | None = None


class PriceListIn(msgspec.Struct, forbid_unknown_fields=True):
    currency: str
    seat_price: str | int
    rates: list[RateIn] = []


class SeatIn(msgspec.Struct, forbid_unknown_fields=True):
    agent: str
    added_at: str
    seat: str | None = None
    removed_at: str | None = None


class UsageIn(msgspec.Struct, forbid_unknown_fields=True):
    meter: str
    raw: list[str | int] | None = None
    quantity: str | int | None = None


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    month: str
    timezone: str = "UTC"
    currency: str = "USD"
    price_list: PriceListIn | None = None
    seats: list[SeatIn] = []
    usage: list[UsageIn] = []


_decode = msgspec.json.Decoder(Scenario).decode


def decode_scenario(line: bytes | None) -> Scenario:
    """A scenario from one line of JSON; None: a longer one. Raises BadScenario."""
    if line is None or len(line) > MAX_LINE_BYTES:
        raise BadScenario("too_large", "A scenario has 8 MiB at most.")
    try:
        return decode_json(line, _decode)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or None
        raise BadScenario("bad_field", f"{message}.", field=field) from error
    except JsonRefused as refusal:
        raise BadScenario(
            refusal.code, refusal.message, field=refusal.field
        ) from refusal


def check_size(scenario: Scenario) -> None:
    """Refuse what would take long to price for somebody without a key.

    The `quote` command has no such limits. Raises BadScenario with the field.
    """
    rates = scenario.price_list.rates if scenario.price_list else []
    counts = {
        "seats": len(scenario.seats),
        "usage": len(scenario.usage),
        "usage.raw": sum(len(use.raw or ()) for use in scenario.usage),
        "price_list.rates": len(rates),
        "price_list.rates.tiers": sum(len(rate.tiers or ()) for rate in rates),
    }
    for field, count in counts.items():
        if count > QUOTE_LIMITS[field]:
            raise BadScenario(
                "too_large",
                f"A quote over HTTP takes at most {QUOTE_LIMITS[field]} entries here, not"
                f" {count}. Use the `quote` command for more.",
                field=field,
            )


def parse_terms(told: PriceListIn) -> PriceListTerms:
    try:
        minor_digits(told.currency)
    except Refusal as refusal:
        raise BadScenario(
            refusal.code, refusal.message, field="price_list.currency"
        ) from refusal
    rates: dict[str, RateTerms] = {}
    for n, rate in enumerate(told.rates):
        field = f"price_list.rates[{n}]"
        if rate.meter in rates:
            raise BadScenario(
                "meter_twice", f"{rate.meter} has two rates.", field=f"{field}.meter"
            )
        rates[rate.meter] = _rate(rate, field)
    return PriceListTerms(
        code="scenario",
        currency=told.currency,
        seat_price=parse_number(told.seat_price, "price_list.seat_price"),
        rates=tuple(rates.values()),
    )


def _rate(told: RateIn, field: str) -> RateTerms:
    if told.model not in {"per_unit", "graduated", "volume", "package"}:
        raise BadScenario(
            "unknown_model", f"Unknown model {told.model}.", field=f"{field}.model"
        )
    numbers = {
        name: parse_number(getattr(told, name), f"{field}.{name}")
        for name in ("minimum", "increment", "unit_size", "included_per_seat")
    }
    tiers = tuple(
        Tier(
            _optional(tier.up_to, f"{field}.tiers[{n}].up_to"),
            parse_number(tier.unit_price, f"{field}.tiers[{n}].unit_price"),
            parse_number(tier.flat_fee, f"{field}.tiers[{n}].flat_fee"),
        )
        for n, tier in enumerate(told.tiers or [])
    )
    terms = RateTerms(
        meter=told.meter,
        model=told.model,  # type: ignore[arg-type]
        unit_price=_optional(told.unit_price, f"{field}.unit_price"),
        package_size=_optional(told.package_size, f"{field}.package_size"),
        tiers=tiers,
        **numbers,
    )
    try:
        validate_terms(terms)
    except BadRate as bad:
        raise BadScenario(bad.code, bad.message, field=f"{field}.{bad.field}") from bad
    return terms


def _optional(told: str | int | None, field: str) -> Decimal | None:
    return None if told is None else parse_number(told, field)


def parse_number(told: str | int | None, field: str) -> Decimal:
    """A plain decimal, 0 or above, of a sane size."""
    text = str(told).strip() if told is None or len(str(told)) <= 80 else "x"
    try:
        number = values.parse_decimal(text)
    except ValueError as error:
        message = "Not a plain decimal number."
        raise BadScenario("bad_number", message, field=field) from error
    if number < 0:
        raise BadScenario("bad_number", "Must not be negative.", field=field)
    exponent = int(number.as_tuple().exponent)
    if number.adjusted() > MAX_DIGITS or exponent < -MAX_DIGITS:
        raise BadScenario("bad_number", "Out of range.", field=field)
    return number


def parse_month(text: str) -> date:
    """The first of a month of the years 1970 to 9000. Raises BadScenario."""
    try:
        month = values.parse_month(text)
    except ValueError as error:
        raise BadScenario("bad_month", str(error), field="month") from error
    if not 1970 <= month.year <= 9000:
        message = f"{values.shown(text)} is out of range; the year is 1970 to 9000."
        raise BadScenario("bad_month", message, field="month")
    return month


def parse_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadScenario(
            "unknown_zone", f"Unknown time zone {name!r}.", field="timezone"
        ) from error


def parse_local_date(text: str, field: str, zone: ZoneInfo) -> date:
    """The local date of an instant; a time without offset is local already."""
    try:
        moment = values.parse_instant(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise BadScenario("bad_time", "Not an ISO 8601 time.", field=field) from error
    if not 1900 <= moment.year <= 9900:
        raise BadScenario("bad_time", "The year is out of range.", field=field)
    return moment.date()


def error_body(refusal: Refusal) -> Mapping[str, Any]:
    """What is answered instead of a bill."""
    return {
        "error": {
            "code": refusal.code,
            "message": refusal.message,
            "field": refusal.field,
        }
    }
