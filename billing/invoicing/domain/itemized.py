"""Itemizes the calls behind a line, with the part of the charge of each. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from billing.metering.domain.events import CountedEvent
from billing.pricing.domain.rating import RateTerms, rate_usage
from core.money import round_places
from core.parsing.values import parse_instant

PLACES = 18  # more than prices, quantities and sixtieths of them together need
MICROSECONDS = 10**6
# With the other models, one more call can change the price of all calls, or of none.
BY_THE_CALL = ("per_unit", "graduated")


class ItemizedCall(NamedTuple):
    """A usage event behind a line; quantities in raw units, times with an offset.

    `amount_before_rounding` is in the document's currency. `counted` is "before" if an
    earlier document billed the call, else "now".
    """

    start: datetime | None
    answer: datetime
    end: datetime | None
    agent: str
    dial_mode: str
    raw_seconds: Decimal
    billed_seconds: Decimal
    rate: Decimal | None
    amount_before_rounding: Decimal | None
    source: str
    id: str
    counted: str


class EarlierDocument(NamedTuple):
    """The cut-off of an earlier document for the same charge, and that of its void."""

    cutoff: int
    void_cutoff: int | None

    def counts_at(self, cutoff: int) -> bool:
        """Whether the document is not void as of a cut-off."""
        return self.void_cutoff is None or self.void_cutoff > cutoff


def was_counted(fact: int, earlier: Sequence[EarlierDocument], *, cutoff: int) -> bool:
    """Whether the fact recorded at cut-off `fact` was billed before a line.

    `earlier` are the documents before the line's own, in order; `cutoff` is the line's.
    A document bills the facts that no valid document had billed; a void releases them
    to the next document.
    """
    billed_by: EarlierDocument | None = None
    for document in earlier:
        is_billed = billed_by is not None and billed_by.counts_at(document.cutoff)
        if fact <= document.cutoff and not is_billed:
            billed_by = document
    return billed_by is not None and billed_by.counts_at(cutoff)


class MonthPrices:
    """Prices the calls of a month one by one, in their order.

    A call's part is the charge of the calls so far, less the charge without it. The
    parts sum to the charge before rounding: the allowance goes to the first calls, and
    a tier starts with the call that enters it. Of calls that are not all of the month
    (`is_partial`), a price that depends on the calls before is None.
    """

    def __init__(
        self,
        terms: RateTerms,
        *,
        seat_days: int,
        month: date,
        is_partial: bool = False,
    ) -> None:
        self._terms, self._seat_days, self._month = terms, seat_days, month
        self._alone = terms.model == "per_unit" and not terms.included_per_seat
        self._has_prices = terms.model in BY_THE_CALL and (
            self._alone or not is_partial
        )
        self._cached: dict[Decimal, tuple[Decimal | None, Decimal]] = {}
        self._billable, self._amount = Decimal(0), Fraction(0)
        self._prices = {tier.unit_price for tier in terms.tiers} | {
            terms.unit_price or Decimal(0),
            Decimal(0),
        }

    def price(self, billable: Decimal) -> tuple[Decimal | None, Decimal | None]:
        """The rate of the next call and its exact part of the charge.

        The rate is None if nothing is billed or the call spans two prices. Both are
        None with volume and package prices, which no single call has.
        """
        if not self._has_prices:
            return None, None
        if not self._alone:
            return self._next(billable)
        if billable not in self._cached:
            self._cached[billable] = self._next(billable)
        return self._cached[billable]

    def _next(self, billable: Decimal) -> tuple[Decimal | None, Decimal]:
        before = Decimal(0) if self._alone else self._billable
        was = Fraction(0) if self._alone else self._amount
        self._billable = before + billable
        self._amount = rate_usage(
            billable=self._billable,
            terms=self._terms,
            seat_days=self._seat_days,
            month=self._month,
        ).amount
        amount = self._amount - was
        return self._rate(billable, amount), round_places(amount, PLACES)

    def _rate(self, billable: Decimal, amount: Fraction) -> Decimal | None:
        if not billable:
            return None
        rate = amount * Fraction(self._terms.unit_size) / Fraction(billable)
        return next((price for price in self._prices if price == rate), None)


def itemize_calls(
    events: Iterable[CountedEvent],
    *,
    prices: MonthPrices,
    counted_before: Callable[[int], bool],
    in_seconds: bool,
) -> Iterator[ItemizedCall]:
    """Yield the events as calls, in their order.

    `counted_before` returns whether facts of a cut-off were billed by an earlier
    document.
    """
    is_before = cache(counted_before)
    for event in events:
        rate, amount = prices.price(event.billable)
        yield ItemizedCall(
            start=_instant(event.started_at),
            answer=event.occurred_at,
            end=_end(event) if in_seconds else None,
            agent=event.agent or "",
            dial_mode=event.dial_mode,
            raw_seconds=event.raw,
            billed_seconds=event.billable,
            rate=rate,
            amount_before_rounding=amount,
            source=event.source,
            id=event.id,
            counted="before" if is_before(event.cutoff) else "now",
        )


def _end(event: CountedEvent) -> datetime:
    lasted = timedelta(microseconds=int(abs(event.raw) * MICROSECONDS))
    return event.occurred_at + lasted


def _instant(text: str | None) -> datetime | None:
    """The time that was sent, or None unless it is valid and has an offset."""
    try:
        moment = parse_instant(text or "")
        return moment if moment.utcoffset() is not None else None
    except ValueError:
        return None
