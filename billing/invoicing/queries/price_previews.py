"""What a price list would have made of a month: every payer, by two lists, set by set.

Nothing is written. Amounts are without tax, rounded as bills round them, and each payer's
are those that it pays by its shares.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import islice

from django.db import connection

from billing.accounts.domain.shares import month_segments
from billing.accounts.queries import share_sets_of
from billing.invoicing.domain.charges import SpanFacts, Usage, charge_month
from billing.invoicing.queries.affected_months import pairs_of
from billing.invoicing.queries.facts import Span, facts_of
from billing.metering.queries.usage import RoundingRule
from billing.pricing.domain.rating import PriceListTerms
from core.errors import Refusal
from core.periods import next_month
from core.postgres.arrays import columns
from seats.cutoffs.models import CutoffCounter

SEATS = "seats"

# The sum of billable_raw over the events of each span, by other rules than were recorded;
# an event that was taken back counts negative. The outer dates choose the partition.
REROUNDED = """
    SELECT span.n, rule.meter, sum(CASE WHEN event.raw = 0 THEN 0 ELSE
        sign(event.raw) * rule.increment
        * (div(greatest(abs(event.raw), rule.minimum), rule.increment)
           + sign(mod(greatest(abs(event.raw), rule.minimum), rule.increment))) END)
    FROM unnest(%s::bigint[], %s::date[], %s::date[], %s::bigint[])
        WITH ORDINALITY AS span(agency_id, starts_on, ends_on, cutoff, n)
    CROSS JOIN unnest(%s::text[], %s::numeric[], %s::numeric[])
        AS rule(meter, minimum, increment)
    JOIN billing_meter AS meter ON meter.code = rule.meter
    JOIN billing_usageevent AS event ON event.agency_id = span.agency_id
        AND event.used_on >= span.starts_on AND event.used_on < span.ends_on
        AND event.cutoff <= span.cutoff AND event.meter_id = meter.id
    WHERE event.used_on >= %s AND event.used_on < %s
    GROUP BY span.n, rule.meter
"""


@dataclass(slots=True)
class PayerPreview:
    """A payer's month by the old and the new list, by thing: seats, or a meter.

    `refusal` is why one of the lists cannot price it; then there are no amounts.
    """

    payer_id: int
    before: dict[str, Decimal] = field(default_factory=dict)
    after: dict[str, Decimal] = field(default_factory=dict)
    refusal: str = ""

    @property
    def total_before(self) -> Decimal:
        """By the old list."""
        return sum(self.before.values(), Decimal(0))

    @property
    def total_after(self) -> Decimal:
        """By the new list."""
        return sum(self.after.values(), Decimal(0))

    @property
    def difference(self) -> Decimal:
        """How much more the new list comes to."""
        return self.total_after - self.total_before


def preview_prices(
    *,
    payer_ids: Collection[int],
    month: date,
    before: PriceListTerms | None,
    after: PriceListTerms,
    recorded: PriceListTerms | None,
    chunk: int = 250,
) -> Iterator[PayerPreview]:
    """The month of each payer by two lists, in order of ids.

    `recorded` is the list of the month, by whose rules usage was rounded when it was
    recorded. Where another list rounds otherwise, the events are summed anew. A few
    queries for each chunk.
    """
    ordered = iter(sorted(payer_ids))
    while ids := list(islice(ordered, chunk)):
        previews = {pk: PayerPreview(pk) for pk in ids}
        spans = _spans(ids, month)
        facts = facts_of(spans)
        for terms, side in ((before, "before"), (after, "after")):
            if terms is not None:
                own = _rerounded(spans, facts, terms, recorded, month)
                _charge(previews, side, spans, own, terms)
        for preview in previews.values():
            if preview.refusal:
                preview.before, preview.after = {}, {}
        yield from previews.values()


def _spans(payer_ids: Collection[int], month: date) -> list[Span]:
    """The parts of the month of every agency of these payers, as of now, by agency."""
    ids = {pair.agency_id for pair in pairs_of(payer_ids)}
    cutoffs = dict(
        CutoffCounter.objects.filter(agency__in=ids).values_list("agency", "cutoff")
    )
    share_sets = share_sets_of(ids)
    return [
        Span(
            agency_id,
            month,
            segment.starts_on,
            segment.ends_on,
            cutoffs[agency_id],
            segment.shares,
        )
        for agency_id in sorted(ids)
        for segment in month_segments(
            share_sets.get(agency_id, ()),
            agency_id=agency_id,
            month=month,
            cutoff=cutoffs[agency_id],
        )
    ]


def _rerounded(
    spans: Sequence[Span],
    facts: Sequence[SpanFacts],
    terms: PriceListTerms,
    recorded: PriceListTerms | None,
    month: date,
) -> list[SpanFacts]:
    """The facts as this list would have rounded them."""
    rules = _other_rules(terms, recorded)
    if not rules or not spans:
        return list(facts)
    span_rows = [(s.agency_id, s.starts_on, s.ends_on, s.cutoff) for s in spans]
    rule_rows = [(meter, *rule) for meter, rule in rules.items()]
    with connection.cursor() as cursor:
        cursor.execute(
            REROUNDED,
            [*columns(span_rows, 4), *columns(rule_rows, 3), month, next_month(month)],
        )
        sums = {(n - 1, meter): billable for n, meter, billable in cursor.fetchall()}
    return [
        replace(own, usage=_with_sums(own.usage, sums, n))
        for n, own in enumerate(facts)
    ]


def _other_rules(
    terms: PriceListTerms, recorded: PriceListTerms | None
) -> dict[str, RoundingRule]:
    """The rules of the list's meters, where they are not those that were recorded."""
    was = {
        rate.meter: RoundingRule(rate.minimum, rate.increment)
        for rate in (recorded.rates if recorded else ())
    }
    rules = {
        rate.meter: RoundingRule(rate.minimum, rate.increment) for rate in terms.rates
    }
    return {meter: rule for meter, rule in rules.items() if was.get(meter) != rule}


def _with_sums(
    usage: Mapping[str, Usage], sums: Mapping[tuple[int, str], Decimal], n: int
) -> dict[str, Usage]:
    return {
        meter: replace(used, billable=sums.get((n, meter), used.billable))
        for meter, used in usage.items()
    }


def _charge(
    previews: Mapping[int, PayerPreview],
    side: str,
    spans: Sequence[Span],
    facts: Sequence[SpanFacts],
    terms: PriceListTerms,
) -> None:
    """Add the charges of each agency to the payers among the previews."""
    by_agency: dict[int, list[SpanFacts]] = {}
    for span, own in zip(spans, facts, strict=True):
        by_agency.setdefault(span.agency_id, []).append(own)
    for agency_id, parts in by_agency.items():
        payers = {payer for part in parts for payer in part.shares}
        concerned = [previews[payer] for payer in payers & previews.keys()]
        try:
            charges = charge_month(agency_id, spans[0].month, parts, terms)
        except Refusal as refusal:
            for preview in concerned:
                preview.refusal = refusal.message
            continue
        for charge in charges:
            thing = charge.key.meter or SEATS
            for preview in concerned:
                amounts: dict[str, Decimal] = getattr(preview, side)
                amount = charge.parts.get(preview.payer_id, Decimal(0))
                amounts[thing] = amounts.get(thing, Decimal(0)) + amount
