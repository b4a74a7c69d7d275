"""Recomputes what an agency owes, day by day and event by event. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.pricing.domain.rating import PriceListTerms, RateTerms
from core.money import minor_digits, round_money

DAY = timedelta(days=1)
Amounts = dict[tuple[str | None, int], Decimal]


@dataclass(frozen=True, slots=True)
class SeatFact:
    """A version of a seat."""

    seat_id: int
    number: int
    added_on: date
    removed_on: date | None
    cancelled: bool
    cutoff: int


@dataclass(frozen=True, slots=True)
class UsageFact:
    """A usage event; `raw` is in raw units, negative for a reversal."""

    meter: str
    day: date
    raw: Decimal
    cutoff: int


@dataclass(frozen=True, slots=True)
class ShareFact:
    """The payers from a local date on, with their percentages by payer id."""

    id: int
    starts_on: date
    cutoff: int
    percents: Mapping[int, Decimal]


@dataclass(frozen=True, slots=True)
class AgencyFacts:
    """Everything recorded about an agency."""

    agency_id: int
    seats: Sequence[SeatFact]
    usage: Sequence[UsageFact]
    shares: Sequence[ShareFact]


def owed(
    facts: AgencyFacts, month: date, cutoff: int, prices: PriceListTerms | None
) -> Amounts:
    """What each payer owes for a month, as of a cut-off, in the list's currency.

    Keys are (meter or None for seats, payer id). Empty without prices.
    """
    if prices is None:
        return {}
    days = list(_days_of(month))
    payers = {day: _payers_on(facts, day, cutoff) for day in days}
    seats = _newest(facts.seats, cutoff)
    seats_on = {day: sum(_is_billed(seat, day) for seat in seats) for day in days}
    seat_days = sum(seats_on.values())
    weights = _weights((day, Fraction(count)) for day, count in seats_on.items())
    amounts: Amounts = {}
    if seat_days:
        charge = round_money(
            Fraction(prices.seat_price) * seat_days / len(days), prices.currency
        )
        amounts |= _split(None, charge, weights, payers, prices.currency)
    for meter, used in _usage(facts, month, cutoff).items():
        terms = prices.rates_by_meter[meter]
        billable = [(fact.day, _billable(fact.raw, terms)) for fact in used]
        total = sum((steps for _, steps in billable), Fraction(0))
        allowance = Fraction(terms.included_per_seat) * seat_days / len(days)
        charged = max(total / Fraction(terms.unit_size) - allowance, Fraction(0))
        charge = round_money(_price(charged, terms), prices.currency)
        amounts |= _split(meter, charge, _weights(billable), payers, prices.currency)
    return amounts


def _days_of(month: date) -> Iterable[date]:
    day = month
    while day.month == month.month:
        yield day
        day += DAY


def _newest(seats: Sequence[SeatFact], cutoff: int) -> list[SeatFact]:
    newest: dict[int, SeatFact] = {}
    for seat in seats:
        if seat.cutoff <= cutoff and (
            seat.seat_id not in newest or newest[seat.seat_id].number < seat.number
        ):
            newest[seat.seat_id] = seat
    return list(newest.values())


def _is_billed(seat: SeatFact, day: date) -> bool:
    if seat.cancelled or day < seat.added_on:
        return False
    if seat.removed_on == seat.added_on:
        return day == seat.added_on
    return seat.removed_on is None or day < seat.removed_on


def _payers_on(facts: AgencyFacts, day: date, cutoff: int) -> Mapping[int, Fraction]:
    sets = [s for s in facts.shares if s.cutoff <= cutoff and s.starts_on <= day]
    if not sets:
        return {facts.agency_id: Fraction(1)}
    latest = max(sets, key=lambda share: (share.starts_on, share.id))
    return {payer: Fraction(part) / 100 for payer, part in latest.percents.items()}


def _usage(facts: AgencyFacts, month: date, cutoff: int) -> dict[str, list[UsageFact]]:
    used: dict[str, list[UsageFact]] = {}
    for fact in facts.usage:
        if fact.cutoff <= cutoff and fact.day.replace(day=1) == month:
            used.setdefault(fact.meter, []).append(fact)
    return used


def _billable(raw: Decimal, terms: RateTerms) -> Fraction:
    """The billable quantity of an event, in raw units; negative for a reversal."""
    if raw < 0:
        return -_billable(-raw, terms)
    if raw == 0:
        return Fraction(0)
    quantity, step = Fraction(max(raw, terms.minimum)), Fraction(terms.increment)
    return -(-quantity // step) * step


def _price(charged: Fraction, terms: RateTerms) -> Fraction:
    if not charged:
        return Fraction(0)
    if terms.model == "per_unit":
        return charged * Fraction(terms.unit_price or 0)
    if terms.model == "package":
        packages = -(-charged // Fraction(terms.package_size or 1))
        return packages * Fraction(terms.unit_price or 0)
    amount, floor = Fraction(0), Fraction(0)
    for tier in terms.tiers:
        top = charged if tier.up_to is None else Fraction(tier.up_to)
        if terms.model == "volume" and charged <= top:
            return charged * Fraction(tier.unit_price) + Fraction(tier.flat_fee)
        if terms.model == "graduated" and charged > floor:
            part = min(charged, top) - floor
            amount += part * Fraction(tier.unit_price) + Fraction(tier.flat_fee)
        floor = top
    return amount


def _weights(parts: Iterable[tuple[date, Fraction]]) -> dict[date, Fraction]:
    weights: dict[date, Fraction] = {}
    for day, part in parts:
        weights[day] = weights.get(day, Fraction(0)) + part
    return weights


def _split(
    meter: str | None,
    charge: Decimal,
    weights: Mapping[date, Fraction],
    payers: Mapping[date, Mapping[int, Fraction]],
    currency: str,
) -> Amounts:
    """Split a charge by largest remainder over the payers, ranked by id."""
    parts: dict[int, Fraction] = {}
    for day, weight in weights.items():
        for payer, share in payers[day].items():
            parts[payer] = parts.get(payer, Fraction(0)) + weight * share
    whole = sum(parts.values())
    if not whole:
        return {(meter, payer): Decimal(0) for payer in parts}
    cents = int(Fraction(charge) * 10 ** minor_digits(currency))
    exact = {payer: cents * part / whole for payer, part in sorted(parts.items())}
    given = {payer: int(part) for payer, part in exact.items()}
    missing = cents - sum(given.values())
    ranked = sorted(exact, key=lambda payer: (given[payer] - exact[payer], payer))
    for payer in ranked[:missing]:
        given[payer] += 1
    return {
        (meter, payer): Decimal(part).scaleb(-minor_digits(currency))
        for payer, part in given.items()
    }
