"""A month that is not over, of agencies and those who pay for them: now and at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from billing.accounts.domain.shares import Segment, month_segments
from billing.accounts.queries import share_sets_of
from billing.invoicing.domain.charges import (
    Charge,
    SpanFacts,
    Usage,
    charge_month,
    split,
)
from billing.invoicing.domain.forecast import MeterUse, forecast_billable
from billing.invoicing.queries.affected_months import PayerAgency
from billing.invoicing.queries.facts import Span, facts_of
from billing.pricing.domain.rating import PriceListTerms
from core.money import round_money, round_places
from core.periods import DAY, next_month, previous_month

PLACES = 6
NOTHING = Usage(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class MonthPrices:
    """The price list of a month, and that of the month before, if there was one."""

    now: PriceListTerms
    before: PriceListTerms | None

    @property
    def are_new(self) -> bool:
        """Whether the month has another list than the month before."""
        return self.before is not None and self.before.list_id != self.now.list_id


@dataclass(frozen=True, slots=True)
class RunningMonth:
    """The facts of an agency's month, by the parts of it with different payers.

    `elapsed` are those of dates that are over on the agency's local date `today`, `rest`
    those from it on. `seats` is the number of seats of today, paid by `shares`.
    """

    pair: PayerAgency
    month: date
    today: date
    segments: list[Segment]
    elapsed: list[SpanFacts]
    rest: list[SpanFacts]
    last_month: SpanFacts
    seats: int

    @property
    def shares(self) -> Mapping[int, Fraction]:
        """Who pays for a seat of today."""
        started = [s for s in self.segments if s.starts_on <= self.today]
        return (started or self.segments)[-1 if started else 0].shares

    @property
    def facts(self) -> list[SpanFacts]:
        """The facts as of now: seats until the end of the month, usage so far."""
        return [_joined(*parts) for parts in zip(self.elapsed, self.rest, strict=True)]

    @property
    def unrounded_facts(self) -> list[SpanFacts]:
        """As `facts`, as if nothing were raised to a minimum and to whole steps."""
        return [
            replace(
                facts,
                usage={m: replace(u, billable=u.raw) for m, u in facts.usage.items()},
            )
            for facts in self.facts
        ]

    def expected_facts(self, prices: PriceListTerms) -> list[SpanFacts]:
        """As `facts`, with the usage that is expected by the end of the month.

        What is expected of today and later is spread over the dates that are left.
        """
        facts = self.facts
        dates = [
            max((s.ends_on - max(s.starts_on, self.today)).days, 0)
            for s in self.segments
        ]
        if not any(dates):
            return facts
        meters = {m for part in [*facts, self.last_month] for m in part.usage}
        usages = [dict(part.usage) for part in facts]
        for meter in meters:
            used = sum((_of(part, meter).billable for part in facts), Decimal(0))
            if not used and meter not in prices.rates_by_meter:
                continue
            more = self._expected(meter) - used
            for usage, extra in zip(usages, _spread(more, dates), strict=True):
                if extra or meter in usage:
                    own = usage.get(meter, NOTHING)
                    usage[meter] = replace(own, billable=own.billable + extra)
        return [replace(f, usage=u) for f, u in zip(facts, usages, strict=True)]

    def _expected(self, meter: str) -> Decimal:
        use = MeterUse(
            elapsed=sum((_of(f, meter).billable for f in self.elapsed), Decimal(0)),
            today=sum((_of(f, meter).billable for f in self.rest), Decimal(0)),
            last_month=_of(self.last_month, meter).billable,
        )
        return forecast_billable(use, month=self.month, today=self.today)

    def run_rate(self, seat_price: Decimal, currency: str) -> Decimal:
        """The payer's part of what today's seats cost in a whole month."""
        whole = round_money(Fraction(seat_price) * self.seats, currency)
        parts = split(whole, [(self.shares, self.seats)], currency)
        return parts.get(self.pair.payer_id, Decimal(0))

    def cost_of_a_seat(self, seat_price: Decimal, currency: str) -> Decimal:
        """The payer's part of the price of one seat, by who pays today."""
        share = self.shares.get(self.pair.payer_id, Fraction(0))
        return round_money(Fraction(seat_price) * share, currency)

    def charges(
        self, facts: Sequence[SpanFacts], prices: PriceListTerms
    ) -> list[Charge]:
        """The charges of these facts. Raises MeterNotPriced."""
        return charge_month(self.pair.agency_id, self.month, facts, prices)

    def charges_before(
        self, facts: Sequence[SpanFacts], prices: MonthPrices
    ) -> list[Charge]:
        """The charges by the price list before; what it had no price for, by this one.

        Raises MeterNotPriced.
        """
        before = prices.before or prices.now
        rates = {**prices.now.rates_by_meter, **before.rates_by_meter}
        return self.charges(facts, replace(before, rates=tuple(rates.values())))


def running_months(
    pairs: Sequence[PayerAgency],
    cutoffs: Mapping[int, int],
    todays: Mapping[int, date],
    *,
    month: date,
) -> list[RunningMonth]:
    """The month of each pair whose payer has a share of it. A constant number of queries.

    `cutoffs` and the local dates `todays` are by agency id. Facts count up to the
    cut-off that `next_documents` takes, so charges of them are those of the documents.
    """
    share_sets = share_sets_of({pair.agency_id for pair in pairs})
    plans: list[tuple[PayerAgency, list[Segment], date]] = []
    spans: list[Span] = []
    for pair in pairs:
        cutoff = max(cutoffs[pair.agency_id], pair.billed_cutoff)
        segments = month_segments(
            share_sets.get(pair.agency_id, ()),
            agency_id=pair.agency_id,
            month=month,
            cutoff=cutoff,
        )
        if any(pair.payer_id in segment.shares for segment in segments):
            today = todays[pair.agency_id]
            plans.append((pair, segments, today))
            spans += _spans(pair.agency_id, month, segments, today, cutoff)
    facts = iter(facts_of(spans))
    return [
        RunningMonth(
            pair, month, today, segments,
            elapsed=[next(facts) for _ in segments],
            rest=[next(facts) for _ in segments],
            last_month=next(facts),
            seats=next(facts).seat_days,
        )
        for pair, segments, today in plans
    ]  # fmt: skip


def _spans(
    agency_id: int, month: date, segments: Sequence[Segment], today: date, cutoff: int
) -> list[Span]:
    """Each segment up to today, each from today on, the month before, and today."""
    before = previous_month(month)
    parts = []
    for of_rest in (False, True):
        for segment in segments:
            over = min(max(today, segment.starts_on), segment.ends_on)
            days = (over, segment.ends_on) if of_rest else (segment.starts_on, over)
            parts.append((month, *days, segment.shares))
    parts += [(before, before, next_month(before), {}), (month, today, today + DAY, {})]
    return [
        Span(agency_id, of, start, end, cutoff, who) for of, start, end, who in parts
    ]


def _joined(elapsed: SpanFacts, rest: SpanFacts) -> SpanFacts:
    usage = {
        meter: Usage(
            _of(elapsed, meter).raw + _of(rest, meter).raw,
            _of(elapsed, meter).billable + _of(rest, meter).billable,
        )
        for meter in elapsed.usage.keys() | rest.usage.keys()
    }
    return SpanFacts(elapsed.shares, elapsed.seat_days + rest.seat_days, usage)


def _of(facts: SpanFacts, meter: str) -> Usage:
    return facts.usage.get(meter, NOTHING)


def _spread(quantity: Decimal, dates: Sequence[int]) -> list[Decimal]:
    """The quantity in proportion to numbers of dates; the parts sum to it."""
    parts, left, days = [], quantity, sum(dates)
    for count in dates:
        part = round_places(Fraction(left) * count / days, PLACES) if days else left
        parts.append(part)
        left, days = left - part, days - count
    return parts
