"""Scenarios for a quote: their JSON shape, parsing, and limits. Pure."""

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from billing.pricing.domain.rating import (
    BadRate,
    PriceListTerms,
    RateTerms,
    Tier,
    validate_terms,
)
from core.errors import Refusal
from core.money import minor_digits
from core.parsing import values
from core.parsing.strict_json import JsonRefused, decode_json
from core.parsing.values import shown

MAX_LINE_BYTES = 8 * 2**20
MAX_DIGITS = 30
MODELS = ("per_unit", "graduated", "volume", "package")
MAX_NUMBER_LENGTH = 80
# Limits of a quote over HTTP, so that it takes a tenth of a second at most.
MAX_QUOTE_BYTES = 256 * 1024
QUOTE_LIMITS = {
    "seats": 1_000,
    "usage": 1_000,
    "usage.raw": 10_000,
    "price_list.rates": 100,
    "price_list.rates.tiers": 1_000,
}


class BadScenario(Refusal):
    """A scenario that cannot be priced; `code` is that of a refusal elsewhere.

    Problems that only scenarios have are subclasses with codes of their own.
    """

    def __init__(
        self, message: str, *, code: str = "", field: str | None = None
    ) -> None:
        super().__init__(message, field=field)
        if code:
            self.code = code  # type: ignore[misc]


class BadField(BadScenario):
    """A field of the scenario is missing, not supported, or of the wrong type.

    Correct the input that `field` names.
    """

    code = "bad_field"


class BadNumber(BadScenario):
    """A number of the scenario is not a plain decimal of 0 or more.

    Send a number such as 12.50 with at most 30 digits.
    """

    code = "bad_number"


class BadTime(BadScenario):
    """A time of the scenario is not valid or out of range.

    Send an ISO 8601 time such as 2026-04-10T09:00:00Z.
    """

    code = "bad_time"


class BadUsage(BadScenario):
    """An entry of the usage has both `raw` and `quantity`, or neither.

    Send exactly one of them for each entry.
    """

    code = "bad_usage"


class MeterTwice(BadScenario):
    """A meter has two rates in the price list of the scenario.

    Send one rate per meter.
    """

    code = "meter_twice"


class RemovedBeforeAdded(BadScenario):
    """A seat of the scenario is removed before it is added.

    Send a `removed_at` on or after `added_at`.
    """

    code = "removed_before_added"


class ScenarioTooLarge(BadScenario):
    """The scenario is too large.

    Send a smaller scenario, or use the `quote` command.
    """

    code = "too_large"


class UnknownModel(BadScenario):
    """The pricing model of a rate does not exist.

    Use one of the models that `detail` lists.
    """

    code = "unknown_model"


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


class ScenarioSeatIn(msgspec.Struct, forbid_unknown_fields=True):
    agent: str
    added_at: str
    seat: str | None = None
    removed_at: str | None = None


class UsageIn(msgspec.Struct, forbid_unknown_fields=True):
    meter: str
    raw: list[str | int] | None = None
    quantity: str | int | None = None


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """A month's seats and usage to price; without `price_list`, the published one."""

    month: str
    timezone: str = "UTC"
    currency: str = "USD"
    price_list: PriceListIn | None = None
    seats: list[ScenarioSeatIn] = []
    usage: list[UsageIn] = []


_decode = msgspec.json.Decoder(Scenario).decode


def decode_scenario(line: bytes | None) -> Scenario:
    """Parse a line of JSON; None means a line that is too long. Raises BadScenario."""
    if line is None or len(line) > MAX_LINE_BYTES:
        message = "The scenario is too large. Send at most 8 MiB per scenario."
        raise ScenarioTooLarge(message)
    try:
        return decode_json(line, _decode)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or None
        raise BadField(f"{message}.", field=field) from error
    except JsonRefused as refusal:
        raise BadScenario(
            refusal.message, code=refusal.code, field=refusal.field
        ) from refusal


def check_size(scenario: Scenario) -> None:
    """Refuse a scenario that takes too long for an HTTP quote. Raises BadScenario."""
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
            raise ScenarioTooLarge(
                f"`{field}` has {count} entries. A quote over HTTP takes at most"
                f" {QUOTE_LIMITS[field]}. Use the `quote` command for more.",
                field=field,
            )


def parse_terms(price_list: PriceListIn) -> PriceListTerms:
    """The terms of a scenario's own price list. Raises BadScenario with the field."""
    try:
        minor_digits(price_list.currency)
    except Refusal as bad:
        field = "price_list.currency"
        raise BadScenario(bad.message, code=bad.code, field=field) from bad
    rates: dict[str, RateTerms] = {}
    for n, rate in enumerate(price_list.rates):
        field = f"price_list.rates[{n}]"
        if rate.meter in rates:
            message = f"{shown(rate.meter)} has two rates. Give one rate per meter."
            raise MeterTwice(message, field=f"{field}.meter")
        rates[rate.meter] = _parse_rate(rate, field)
    return PriceListTerms(
        code="scenario",
        currency=price_list.currency,
        seat_price=parse_number(price_list.seat_price, "price_list.seat_price"),
        rates=tuple(rates.values()),
    )


def _parse_rate(rate: RateIn, field: str) -> RateTerms:
    if rate.model not in MODELS:
        message = f"Unknown model {shown(rate.model)}. Use one of {', '.join(MODELS)}."
        raise UnknownModel(message, field=f"{field}.model")
    numbers = {
        name: parse_number(getattr(rate, name), f"{field}.{name}")
        for name in ("minimum", "increment", "unit_size", "included_per_seat")
    }
    tiers = tuple(
        Tier(
            _parse_optional(tier.up_to, f"{field}.tiers[{n}].up_to"),
            parse_number(tier.unit_price, f"{field}.tiers[{n}].unit_price"),
            parse_number(tier.flat_fee, f"{field}.tiers[{n}].flat_fee"),
        )
        for n, tier in enumerate(rate.tiers or [])
    )
    terms = RateTerms(
        meter=rate.meter,
        model=rate.model,  # type: ignore[arg-type]
        unit_price=_parse_optional(rate.unit_price, f"{field}.unit_price"),
        package_size=_parse_optional(rate.package_size, f"{field}.package_size"),
        tiers=tiers,
        **numbers,
    )
    try:
        validate_terms(terms)
    except BadRate as bad:
        raise BadScenario(
            bad.message, code=bad.code, field=f"{field}.{bad.field}"
        ) from bad
    return terms


def _parse_optional(number: str | int | None, field: str) -> Decimal | None:
    return None if number is None else parse_number(number, field)


def parse_number(raw: str | int | None, field: str) -> Decimal:
    """A plain decimal, 0 or above, with at most 30 places. Raises BadScenario."""
    text = str(raw)
    try:
        if len(text) > MAX_NUMBER_LENGTH:
            raise ValueError
        number = values.parse_decimal(text.strip())
    except ValueError as error:
        message = f"{shown(text)} is not a plain decimal number such as 12.50."
        raise BadNumber(message, field=field) from error
    if number < 0:
        message = f"{shown(text)} is negative. Use 0 or more."
        raise BadNumber(message, field=field)
    exponent = int(number.as_tuple().exponent)
    if number.adjusted() > MAX_DIGITS or exponent < -MAX_DIGITS:
        message = f"{shown(text)} is out of range. Use at most {MAX_DIGITS} digits."
        raise BadNumber(message, field=field)
    return number


def parse_month(text: str) -> date:
    """The first day of a month written 2026-04. Raises BadScenario."""
    try:
        month = values.parse_month(text)
    except ValueError as error:
        raise BadScenario(str(error), code="bad_month", field="month") from error
    if not 1970 <= month.year <= 9000:
        message = f"{shown(text)} is out of range. Use a year from 1970 to 9000."
        raise BadScenario(message, code="bad_month", field="month")
    return month


def parse_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises BadScenario."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        message = f"Unknown time zone {shown(name)}. Use a name like America/New_York."
        raise BadScenario(message, code="unknown_zone", field="timezone") from error


def parse_local_date(text: str, field: str, zone: ZoneInfo) -> date:
    """The local date of a time; without offset it is local. Raises BadScenario."""
    try:
        moment = values.parse_instant(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(zone)
    except (ValueError, OverflowError) as error:
        message = f"{shown(text)} is not an ISO 8601 time such as 2026-04-10T09:00:00Z."
        raise BadTime(message, field=field) from error
    if not 1900 <= moment.year <= 9900:
        message = f"{shown(text)} is out of range. Use a year from 1900 to 9900."
        raise BadTime(message, field=field)
    return moment.date()


def error_body(refusal: Refusal) -> dict[str, Any]:
    """The JSON object that takes the place of a bill."""
    fields = ("code", "message", "field")
    return {"error": {name: getattr(refusal, name) for name in fields}}
