"""Computes payers' next documents, for closing, previews and rebuilding alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby

from billing.accounts.domain.shares import month_segments
from billing.accounts.queries import share_sets_of
from billing.invoicing.domain.charges import Charge, ChargeKey, SpanFacts, charge_month
from billing.invoicing.domain.differences import (
    MonthDocument,
    differences,
    split_by_document,
)
from billing.invoicing.queries.affected_months import (
    PayerAgency,
    months_to_close,
    touched_months,
)
from billing.invoicing.queries.billed import billed_amounts
from billing.invoicing.queries.facts import Span, facts_of
from billing.pricing.domain.rating import PriceListTerms
from billing.pricing.queries import PriceMissing, price_lists_for
from core.errors import Refusal
from core.postgres.roles import engine_rights

Prices = Mapping[tuple[str, date], PriceListTerms]


@dataclass(frozen=True, slots=True)
class NextDocuments:
    """A payer's next documents, in the order of their months, or why there are none.

    They bill the agencies in `cutoffs` (by id, at that cut-off) up to the month
    `through`. `refusal` is why the payer has to be parked.
    """

    payer_id: int
    cutoffs: dict[int, int]
    through: date
    documents: list[MonthDocument] = field(default_factory=list)
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class _AffectedMonth:
    """A month of a payer and agency, and the spans with different payers within it."""

    pair: PayerAgency
    month: date
    new: bool
    spans: list[Span]


@engine_rights()
def next_documents(
    pairs: Sequence[PayerAgency],
    cutoffs: Mapping[int, int],
    currencies: Mapping[int, str],
    *,
    through: date,
) -> list[NextDocuments]:
    """The next documents of each payer among the pairs, which are sorted by payer.

    `cutoffs` are by agency id, `currencies` by payer id; `through` is the month to
    close. A payer that was billed through a later month is billed through that month
    again, so that its late facts are not skipped. Makes a constant number of queries.
    """
    at = {pair: max(cutoffs[pair.agency_id], pair.billed_cutoff) for pair in pairs}
    through_by_payer = _through(pairs, through)
    affected_months = _affected_months(pairs, at, through_by_payer)
    spans = [span for affected in affected_months for span in affected.spans]
    facts = iter(facts_of(spans))
    facts_by_month = [
        [next(facts) for _ in affected.spans] for affected in affected_months
    ]
    billed = billed_amounts(
        [
            (c.pair.payer_id, c.pair.agency_id, c.month, at[c.pair])
            for c in affected_months
        ]
    )
    prices = price_lists_for(
        currencies=set(currencies.values()), months={c.month for c in affected_months}
    )
    by_payer: dict[int, list[tuple[_AffectedMonth, list[SpanFacts]]]] = {}
    for affected, span_facts in zip(affected_months, facts_by_month, strict=True):
        by_payer.setdefault(affected.pair.payer_id, []).append((affected, span_facts))
    return [
        _documents_of(
            payer_id,
            {pair.agency_id: at[pair] for pair in payer_pairs},
            by_payer.get(payer_id, []),
            billed.get(payer_id, {}),
            {
                month: terms
                for (currency, month), terms in prices.items()
                if currency == currencies[payer_id]
            },
            through_by_payer[payer_id],
        )
        for payer_id, payer_pairs in groupby(pairs, key=lambda pair: pair.payer_id)
    ]


def _through(pairs: Sequence[PayerAgency], month: date) -> dict[int, date]:
    """The month to bill through, by payer id; never before a watermark."""
    through: dict[int, date] = {}
    for pair in pairs:
        billed = pair.billed_through or month
        through[pair.payer_id] = max(through.get(pair.payer_id, month), billed)
    return through


def _affected_months(
    pairs: Sequence[PayerAgency],
    at: Mapping[PayerAgency, int],
    through: Mapping[int, date],
) -> list[_AffectedMonth]:
    """Every month to compute; a new month only if the payer has a share of it."""
    share_sets = share_sets_of({pair.agency_id for pair in pairs})
    new = months_to_close(pairs, through=through)
    touched = touched_months(pairs, at)
    affected_months = []
    for pair, new_months, billed_months in zip(pairs, new, touched, strict=True):
        months = [(month, True) for month in new_months]
        months += [(month, False) for month in sorted(billed_months)]
        for month, is_new in months:
            segments = month_segments(
                share_sets.get(pair.agency_id, ()),
                agency_id=pair.agency_id,
                month=month,
                cutoff=at[pair],
            )
            if is_new and not any(pair.payer_id in s.shares for s in segments):
                continue
            spans = [
                Span(
                    pair.agency_id,
                    month,
                    segment.starts_on,
                    segment.ends_on,
                    at[pair],
                    segment.shares,
                )
                for segment in segments
            ]
            affected_months.append(_AffectedMonth(pair, month, is_new, spans))
    return affected_months


def _documents_of(
    payer_id: int,
    cutoffs: dict[int, int],
    affected_months: Sequence[tuple[_AffectedMonth, list[SpanFacts]]],
    billed: Mapping[ChargeKey, Decimal],
    prices: Mapping[date, PriceListTerms],
    through: date,
) -> NextDocuments:
    try:
        charges = [
            charge
            for affected, facts in affected_months
            for charge in _charges_of(affected, facts, prices)
        ]
    except Refusal as refusal:
        return NextDocuments(payer_id, cutoffs, through, refusal=refusal)
    new_months: dict[int, set[date]] = {}
    for affected, _ in affected_months:
        if affected.new:
            new_months.setdefault(affected.pair.agency_id, set()).add(affected.month)
    lines = differences(payer_id, charges, billed)
    documents = split_by_document(lines, new_months, through)
    return NextDocuments(payer_id, cutoffs, through, documents)


def _charges_of(
    affected: _AffectedMonth,
    facts: Sequence[SpanFacts],
    prices: Mapping[date, PriceListTerms],
) -> list[Charge]:
    if not any(span.seat_days or span.usage for span in facts):
        return []
    if affected.month not in prices:
        raise PriceMissing(
            f"No published price list covers {affected.month:%B %Y}. Publish one for"
            " the payer's currency, then bill the payer again.",
            field="price_list",
        )
    return charge_month(
        affected.pair.agency_id, affected.month, facts, prices[affected.month]
    )
