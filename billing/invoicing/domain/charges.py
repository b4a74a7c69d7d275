"""Computes charges from facts, and splits them between payers. Pure.

A charge does not depend on who pays it; it is split afterwards (docs/billing-rules.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from billing.pricing.domain.proration import seat_charge
from billing.pricing.domain.rating import PriceListTerms, rate_usage
from core.money import allocate, round_money

SEATS = None  # the `meter` of a seat charge


class ChargeKey(NamedTuple):
    """What is billed once: an agency's seats (`meter` is None) or meter in a month."""

    agency_id: int
    month: date
    meter: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """The totals of a meter in a span, in raw units."""

    raw: Decimal
    billable: Decimal


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """Seat days and usage of an agency in a part of a month with one set of payers.

    `shares` are fractions by payer id.
    """

    shares: Mapping[int, Fraction]
    seat_days: int
    usage: Mapping[str, Usage]


@dataclass(frozen=True, slots=True)
class Charge:
    """The amount an agency owes for a charge key, and each payer's part of it.

    `raw` and `billable` are in raw units, `quantity` and `included` in billed units.
    """

    key: ChargeKey
    raw: Decimal
    billable: Decimal
    quantity: Fraction
    included: Fraction
    unit_price: Decimal | None
    amount: Decimal
    parts: Mapping[int, Decimal]


def charge_month(
    agency_id: int, month: date, spans: Sequence[SpanFacts], prices: PriceListTerms
) -> list[Charge]:
    """Every charge of an agency and month with seat days or usage.

    Seats come first, then meters in the order of their codes. Raises MeterNotPriced.
    """
    seat_days = sum(span.seat_days for span in spans)
    charges = []
    if seat_days:
        charges.append(_seat_charge(agency_id, month, spans, seat_days, prices))
    meters = sorted({meter for span in spans for meter in span.usage})
    charges += [
        _usage_charge(ChargeKey(agency_id, month, meter), spans, seat_days, prices)
        for meter in meters
    ]
    return charges


def _seat_charge(
    agency_id: int,
    month: date,
    spans: Sequence[SpanFacts],
    seat_days: int,
    prices: PriceListTerms,
) -> Charge:
    amount = seat_charge(
        seat_price=prices.seat_price,
        seat_days=seat_days,
        month=month,
        currency=prices.currency,
    )
    return Charge(
        key=ChargeKey(agency_id, month, SEATS),
        raw=Decimal(seat_days),
        billable=Decimal(seat_days),
        quantity=Fraction(seat_days),
        included=Fraction(0),
        unit_price=prices.seat_price,
        amount=amount,
        parts=split(
            amount,
            [(span.shares, span.seat_days) for span in spans],
            prices.currency,
        ),
    )


def _usage_charge(
    key: ChargeKey, spans: Sequence[SpanFacts], seat_days: int, prices: PriceListTerms
) -> Charge:
    terms = prices.rate(str(key.meter))
    used = [
        (span.shares, span.usage[terms.meter])
        for span in spans
        if terms.meter in span.usage
    ]
    billable = sum((usage.billable for _, usage in used), Decimal(0))
    rated = rate_usage(
        billable=billable, terms=terms, seat_days=seat_days, month=key.month
    )
    amount = round_money(rated.amount, prices.currency)
    return Charge(
        key=key,
        raw=sum((usage.raw for _, usage in used), Decimal(0)),
        billable=billable,
        quantity=rated.quantity,
        included=rated.included,
        unit_price=terms.unit_price,
        amount=amount,
        parts=split(
            amount,
            [(shares, usage.billable) for shares, usage in used],
            prices.currency,
        ),
    )


def split(
    amount: Decimal,
    spans: Sequence[tuple[Mapping[int, Fraction], Decimal | int]],
    currency: str,
) -> dict[int, Decimal]:
    """Split an amount between payers by quantity times share, by largest remainder.

    The parts, by payer id, sum to the amount. Lower ids win ties.
    """
    payers = sorted({payer_id for shares, _ in spans for payer_id in shares})
    if len(payers) == 1:
        return {payers[0]: amount}
    weights = dict.fromkeys(payers, Fraction(0))
    for shares, quantity in spans:
        for payer_id, share in shares.items():
            weights[payer_id] += share * Fraction(quantity)
    parts = allocate(amount, list(weights.values()), currency)
    return dict(zip(payers, parts, strict=True))
