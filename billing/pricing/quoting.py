"""One bill from a scenario: the same arithmetic as invoicing, no data touched. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from billing.money import minor_digits, plain, round_money, round_places
from billing.pricing.proration import seat_charge, seat_parts
from billing.pricing.rating import (
    BadRate,
    PriceListTerms,
    RateTerms,
    Tier,
    billable_raw,
    rate_usage,
    validate_terms,
)
from seats.errors import Refusal
from seats.periods import DateRange, billed_range, days_in_month, month_range

LONGEST_LINE = 8 * 2**20
MOST_DIGITS = 30
QUANTITY_PLACES = 6


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


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One holder's row of a seat: its dates and who holds it from when."""

    agent: str
    days: DateRange


def decode_scenario(line: bytes) -> Scenario:
    """A scenario from one line of JSON. Raises BadScenario."""
    if len(line) > LONGEST_LINE:
        raise BadScenario("too_large", "A scenario has 8 MiB at most.")
    try:
        return msgspec.json.decode(line, type=Scenario)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or None
        raise BadScenario("bad_field", f"{message}.", field=field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadScenario("bad_json", f"Not JSON: {error}.") from error


def quote(
    scenario: Scenario, published: Callable[[str, date], PriceListTerms]
) -> dict[str, Any]:
    """The bill of a scenario, decimals as strings.

    `published` finds the list of a currency and month where the scenario brings
    none. Raises BadScenario, or what `published` refuses.
    """
    month = _month(scenario.month)
    zone = _zone(scenario.timezone)
    if scenario.price_list:
        prices = _terms(scenario.price_list)
    else:
        prices = published(scenario.currency, month)
    rows = _seat_days(scenario.seats, month, zone)
    seat_days = sum(days for _, days in rows)
    lines, total = [], Decimal(0)
    charge = seat_charge(
        seat_price=prices.seat_price,
        seat_days=seat_days,
        month=month,
        currency=prices.currency,
    )
    if seat_days:
        lines.append(_seat_line(prices, seat_days, month, charge))
        total += charge
    for meter, billable in _billable(scenario.usage, prices).items():
        line, amount = _usage_line(
            prices.rates_by_meter[meter], billable, seat_days, month, prices.currency
        )
        lines.append(line)
        total += amount
    parts = seat_parts(
        charge=charge, days=[days for _, days in rows], currency=prices.currency
    )
    text = _money(total, prices.currency)
    return {
        "currency": prices.currency,
        "lines": lines,
        "seats": [
            {"agent": agent, "days": days, "amount": _money(part, prices.currency)}
            for (agent, days), part in zip(rows, parts, strict=True)
        ],
        "subtotal": text,
        "total": text,
    }


def _seat_line(
    prices: PriceListTerms, seat_days: int, month: date, charge: Decimal
) -> dict[str, Any]:
    days = days_in_month(month)
    return {
        "kind": "seat",
        "meter": None,
        "description": f"Seats, {month:%B %Y}: {seat_days} seat days of {days}",
        "quantity": str(seat_days),
        "unit_price": _price(prices.seat_price, prices.currency),
        "amount": _money(charge, prices.currency),
    }


def _usage_line(
    terms: RateTerms, billable: Decimal, seat_days: int, month: date, currency: str
) -> tuple[dict[str, Any], Decimal]:
    rated = rate_usage(billable=billable, terms=terms, seat_days=seat_days, month=month)
    amount = round_money(rated.amount, currency)
    used = _quantity(rated.quantity)
    description = f"{terms.meter}, {month:%B %Y}: {used} used"
    if rated.included:
        description += f", {_quantity(rated.included)} included"
    line = {
        "kind": "usage",
        "meter": terms.meter,
        "description": description,
        "quantity": _quantity(rated.charged),
        "unit_price": None
        if terms.unit_price is None
        else _price(terms.unit_price, currency),
        "amount": _money(amount, currency),
    }
    return line, amount


def _seat_days(
    seats: list[SeatIn], month: date, zone: ZoneInfo
) -> list[tuple[str, int]]:
    """Days of the month by agent, in the order of the rows; each date once a seat.

    Rows of one seat are hand-overs: a date belongs to its last holder.
    """
    held: dict[str, dict[date, str]] = {}
    order: dict[str, None] = {}
    rows = [_seat_row(n, row, zone) for n, row in enumerate(seats)]
    for (row, named), _ in sorted(
        zip(rows, range(len(rows)), strict=True),
        key=lambda x: (x[0][0].days.start, x[1]),
    ):
        seat = held.setdefault(named, {})
        for day in _dates(row.days, month):
            seat[day] = row.agent
    for row, _named in rows:
        order.setdefault(row.agent)
    counts = dict.fromkeys(order, 0)
    for seat in held.values():
        for agent in seat.values():
            counts[agent] += 1
    return list(counts.items())


def _seat_row(n: int, row: SeatIn, zone: ZoneInfo) -> tuple[SeatRow, str]:
    added = _local_date(row.added_at, f"seats[{n}].added_at", zone)
    removed = None
    if row.removed_at is not None:
        removed = _local_date(row.removed_at, f"seats[{n}].removed_at", zone)
        if removed < added:
            raise BadScenario(
                "removed_before_added",
                "A seat is removed after it was added.",
                field=f"seats[{n}].removed_at",
            )
    named = f"seat {row.seat}" if row.seat is not None else f"agent {row.agent}"
    return SeatRow(row.agent, billed_range(added, removed)), named


def _dates(days: DateRange, month: date) -> list[date]:
    whole = month_range(month)
    first = max(days.start, whole.start)
    return [
        date.fromordinal(first.toordinal() + n) for n in range(days.overlap_days(whole))
    ]


def _billable(usage: list[UsageIn], prices: PriceListTerms) -> dict[str, Decimal]:
    """Billable sums in raw units by meter; meters without use: absent."""
    sums: dict[str, Decimal] = {}
    for n, use in enumerate(usage):
        terms = prices.rates_by_meter.get(use.meter)
        if terms is None:
            raise BadScenario(
                "unknown_meter",
                f"The price list has no meter {use.meter}.",
                field=f"usage[{n}].meter",
            )
        if (use.raw is None) == (use.quantity is None):
            raise BadScenario(
                "bad_usage", "Give either raw or quantity.", field=f"usage[{n}]"
            )
        if use.raw is not None:
            amount = Decimal(0)
            for m, raw in enumerate(use.raw):
                number = _number(raw, f"usage[{n}].raw[{m}]")
                amount += billable_raw(number, terms)
        else:
            amount = _number(use.quantity, f"usage[{n}].quantity") * terms.unit_size
        if amount:
            sums[use.meter] = sums.get(use.meter, Decimal(0)) + amount
    return dict(sorted(sums.items()))


def _terms(told: PriceListIn) -> PriceListTerms:
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
        seat_price=_number(told.seat_price, "price_list.seat_price"),
        rates=tuple(rates.values()),
    )


def _rate(told: RateIn, field: str) -> RateTerms:
    if told.model not in {"per_unit", "graduated", "volume", "package"}:
        raise BadScenario(
            "unknown_model", f"Unknown model {told.model}.", field=f"{field}.model"
        )
    numbers = {
        name: _number(getattr(told, name), f"{field}.{name}")
        for name in ("minimum", "increment", "unit_size", "included_per_seat")
    }
    tiers = tuple(
        Tier(
            _optional(tier.up_to, f"{field}.tiers[{n}].up_to"),
            _number(tier.unit_price, f"{field}.tiers[{n}].unit_price"),
            _number(tier.flat_fee, f"{field}.tiers[{n}].flat_fee"),
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
    return None if told is None else _number(told, field)


def _number(told: str | int | None, field: str) -> Decimal:
    """A plain decimal, 0 or above, of a sane size."""
    text = str(told).strip() if told is None or len(str(told)) <= 80 else "x"
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or "_" in text:
        raise BadScenario("bad_number", "Not a plain decimal number.", field=field)
    if number < 0:
        raise BadScenario("bad_number", "Must not be negative.", field=field)
    exponent = int(number.as_tuple().exponent)
    if number.adjusted() > MOST_DIGITS or exponent < -MOST_DIGITS:
        raise BadScenario("bad_number", "Out of range.", field=field)
    return number


def _month(text: str) -> date:
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise BadScenario(
            "bad_month", "Write the month as 2026-04.", field="month"
        ) from error
    if not 1970 <= month.year <= 9000 or len(text) != 7:
        raise BadScenario("bad_month", "Write the month as 2026-04.", field="month")
    return month


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadScenario(
            "unknown_zone", f"Unknown time zone {name!r}.", field="timezone"
        ) from error


def _local_date(text: str, field: str, zone: ZoneInfo) -> date:
    """The local date of an instant; a time without offset is local already."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise BadScenario("bad_time", "Not an ISO 8601 time.", field=field) from error
    if not 1900 <= moment.year <= 9900:
        raise BadScenario("bad_time", "The year is out of range.", field=field)
    return moment.date()


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:.{minor_digits(currency)}f}"


def _price(price: Decimal, currency: str) -> str:
    """As many places as it has, but those of the currency at least."""
    text = plain(price)
    places = len(text.partition(".")[2])
    return text if places >= minor_digits(currency) else _money(price, currency)


def _quantity(quantity: Fraction) -> str:
    return plain(round_places(quantity, QUANTITY_PLACES))


def error_of(refusal: Refusal) -> Mapping[str, Any]:
    """What is answered instead of a bill."""
    return {
        "error": {
            "code": refusal.code,
            "message": refusal.message,
            "field": refusal.field,
        }
    }
