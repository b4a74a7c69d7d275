"""Prices a scenario with the arithmetic of invoicing, without stored data. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from billing.pricing.domain.proration import seat_charge, seat_parts
from billing.pricing.domain.rating import (
    PriceListTerms,
    RateTerms,
    billable_raw,
    rate_usage,
)
from billing.pricing.domain.scenarios import (
    BadScenario,
    BadUsage,
    RemovedBeforeAdded,
    Scenario,
    ScenarioSeatIn,
    UsageIn,
    parse_local_date,
    parse_month,
    parse_number,
    parse_terms,
    parse_zone,
)
from core.money import minor_digits, money_text, plain, round_money, round_places
from core.parsing.values import shown
from core.periods import DateRange, billed_range, days_in_month, month_range

QUANTITY_PLACES = 6


@dataclass(frozen=True, slots=True)
class SeatRow:
    """A row of a scenario's seats: who holds the seat on which dates."""

    agent: str
    days: DateRange


def quote(
    scenario: Scenario, published: Callable[[str, date], PriceListTerms]
) -> dict[str, Any]:
    """The bill of a scenario as JSON values, with decimals as strings.

    `published` returns the published price list of a currency and month; it is called
    only if the scenario has no price list. Raises BadScenario, UnknownCurrency, and
    what `published` raises.
    """
    month = parse_month(scenario.month)
    zone = parse_zone(scenario.timezone)
    if scenario.price_list:
        prices = parse_terms(scenario.price_list)
    else:
        minor_digits(scenario.currency)
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
    text = money_text(total, prices.currency)
    return {
        "currency": prices.currency,
        "lines": lines,
        "seats": [
            {"agent": agent, "days": days, "amount": money_text(part, prices.currency)}
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
        "description": f"Seats, {month:%B %Y}: {seat_days} seat days ({days} per full seat)",
        "quantity": str(seat_days),
        "unit_price": _price(prices.seat_price, prices.currency),
        "amount": money_text(charge, prices.currency),
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
        "amount": money_text(amount, currency),
    }
    return line, amount


def _seat_days(
    seats: list[ScenarioSeatIn], month: date, zone: ZoneInfo
) -> list[tuple[str, int]]:
    """The seat days of each agent in the month, in the order of the rows.

    Rows of the same seat are hand-overs: a date belongs to its last holder.
    """
    held: dict[str, dict[date, str]] = {}
    order: dict[str, None] = {}
    rows = [_seat_row(n, row, zone) for n, row in enumerate(seats)]
    for row, seat_key in sorted(rows, key=lambda pair: pair[0].days.start):
        seat = held.setdefault(seat_key, {})
        for day in _dates(row.days, month):
            seat[day] = row.agent
    for row, _ in rows:
        order.setdefault(row.agent)
    counts = dict.fromkeys(order, 0)
    for seat in held.values():
        for agent in seat.values():
            counts[agent] += 1
    return list(counts.items())


def _seat_row(n: int, row: ScenarioSeatIn, zone: ZoneInfo) -> tuple[SeatRow, str]:
    added = parse_local_date(row.added_at, f"seats[{n}].added_at", zone)
    removed = None
    if row.removed_at is not None:
        removed = parse_local_date(row.removed_at, f"seats[{n}].removed_at", zone)
        if removed < added:
            raise RemovedBeforeAdded(
                f"The seat is removed on {removed}, before it is added on {added}.",
                field=f"seats[{n}].removed_at",
            )
    seat_key = f"seat {row.seat}" if row.seat is not None else f"agent {row.agent}"
    return SeatRow(row.agent, billed_range(added, removed)), seat_key


def _dates(days: DateRange, month: date) -> list[date]:
    whole = month_range(month)
    first = max(days.start, whole.start)
    return [
        date.fromordinal(first.toordinal() + n) for n in range(days.overlap_days(whole))
    ]


def _billable(usage: list[UsageIn], prices: PriceListTerms) -> dict[str, Decimal]:
    """Billable sums by meter, in raw units. Meters without usage are left out."""
    sums: dict[str, Decimal] = {}
    for n, use in enumerate(usage):
        terms = prices.rates_by_meter.get(use.meter)
        if terms is None:
            raise BadScenario(
                f"The price list has no rate for the meter {shown(use.meter)}.",
                code="unknown_meter",
                field=f"usage[{n}].meter",
            )
        if (use.raw is None) == (use.quantity is None):
            raise BadUsage(
                "Give either `raw` or `quantity` for each entry, not both.",
                field=f"usage[{n}]",
            )
        if use.raw is not None:
            amount = Decimal(0)
            for m, raw in enumerate(use.raw):
                number = parse_number(raw, f"usage[{n}].raw[{m}]")
                amount += billable_raw(number, terms)
        else:
            amount = (
                parse_number(use.quantity, f"usage[{n}].quantity") * terms.unit_size
            )
        if amount:
            sums[use.meter] = sums.get(use.meter, Decimal(0)) + amount
    return dict(sorted(sums.items()))


def _price(price: Decimal, currency: str) -> str:
    """A unit price, with at least the decimal places of its currency."""
    text = plain(price)
    places = len(text.partition(".")[2])
    return text if places >= minor_digits(currency) else money_text(price, currency)


def _quantity(quantity: Fraction) -> str:
    return plain(round_places(quantity, QUANTITY_PLACES))
