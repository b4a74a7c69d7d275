"""What payers' next documents would say: the one computation behind closing,
preview and rebuilding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby

from billing.accounts.queries import share_sets_of
from billing.accounts.shares import month_segments
from billing.invoicing.charges import Charge, Key, SpanFacts, charge_month
from billing.invoicing.differences import (
    MonthDocument,
    differences,
    split_by_document,
)
from billing.invoicing.queries.billed import billed_amounts
from billing.invoicing.queries.concerned import (
    Pair,
    months_to_close,
    touched_months,
)
from billing.invoicing.queries.facts import Span, facts_of
from billing.pricing.queries import PriceMissing, price_lists_for
from billing.pricing.rating import PriceListTerms
from seats.errors import Refusal

Prices = Mapping[tuple[str, date], PriceListTerms]


@dataclass(frozen=True, slots=True)
class NextDocuments:
    """A payer's next documents, by month in order, or why there are none.

    `through` is the month up to which they bill the agencies in `cutoffs`.
    """

    payer_id: int
    cutoffs: dict[int, int]
    through: date
    documents: list[MonthDocument] = field(default_factory=list)
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class _Concern:
    """One month of one pair, and the spans that it is made of."""

    pair: Pair
    month: date
    new: bool
    spans: list[Span]


def next_documents(
    pairs: Sequence[Pair],
    cutoffs: Mapping[int, int],
    currencies: Mapping[int, str],
    *,
    through: date,
) -> list[NextDocuments]:
    """For each payer among the pairs (which come sorted by payer).

    `cutoffs` are by agency id, `currencies` by payer id; `through` is the month
    that closes. A payer that was billed for a later month before is billed through
    that one again, so that facts of it that came late are not passed over. Reads in a
    constant number of queries.
    """
    at = {pair: max(cutoffs[pair.agency_id], pair.billed_cutoff) for pair in pairs}
    through_by_payer = _through(pairs, through)
    concerns = _concerns(pairs, at, through_by_payer)
    spans = [span for concern in concerns for span in concern.spans]
    facts = iter(facts_of(spans))
    facts_by_concern = [[next(facts) for _ in concern.spans] for concern in concerns]
    billed = billed_amounts(
        [(c.pair.payer_id, c.pair.agency_id, c.month, at[c.pair]) for c in concerns]
    )
    prices = price_lists_for(
        currencies=set(currencies.values()), months={c.month for c in concerns}
    )
    by_payer: dict[int, list[tuple[_Concern, list[SpanFacts]]]] = {}
    for concern, found in zip(concerns, facts_by_concern, strict=True):
        by_payer.setdefault(concern.pair.payer_id, []).append((concern, found))
    return [
        _documents_of(
            payer_id,
            {pair.agency_id: at[pair] for pair in own},
            by_payer.get(payer_id, []),
            billed.get(payer_id, {}),
            {
                month: terms
                for (currency, month), terms in prices.items()
                if currency == currencies[payer_id]
            },
            through_by_payer[payer_id],
        )
        for payer_id, own in groupby(pairs, key=lambda pair: pair.payer_id)
    ]


def _through(pairs: Sequence[Pair], month: date) -> dict[int, date]:
    """By payer id, the month to bill through: watermarks never move back."""
    through: dict[int, date] = {}
    for pair in pairs:
        billed = pair.billed_through or month
        through[pair.payer_id] = max(through.get(pair.payer_id, month), billed)
    return through


def _concerns(
    pairs: Sequence[Pair], at: Mapping[Pair, int], through: Mapping[int, date]
) -> list[_Concern]:
    """Every month to look at; a new month only where the payer has a share."""
    share_sets = share_sets_of({pair.agency_id for pair in pairs})
    new = months_to_close(pairs, through=through)
    touched = touched_months(pairs, at)
    concerns = []
    for pair, new_months, touched_ones in zip(pairs, new, touched, strict=True):
        months = [(month, True) for month in new_months]
        months += [(month, False) for month in sorted(touched_ones)]
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
            concerns.append(_Concern(pair, month, is_new, spans))
    return concerns


def _documents_of(
    payer_id: int,
    cutoffs: dict[int, int],
    concerns: Sequence[tuple[_Concern, list[SpanFacts]]],
    billed: Mapping[Key, Decimal],
    prices: Mapping[date, PriceListTerms],
    through: date,
) -> NextDocuments:
    try:
        charges = [
            charge
            for concern, facts in concerns
            for charge in _charges_of(concern, facts, prices)
        ]
    except Refusal as refusal:
        return NextDocuments(payer_id, cutoffs, through, refusal=refusal)
    new_months: dict[int, set[date]] = {}
    for concern, _ in concerns:
        if concern.new:
            new_months.setdefault(concern.pair.agency_id, set()).add(concern.month)
    lines = differences(payer_id, charges, billed)
    documents = split_by_document(lines, new_months, through)
    return NextDocuments(payer_id, cutoffs, through, documents)


def _charges_of(
    concern: _Concern,
    facts: Sequence[SpanFacts],
    prices: Mapping[date, PriceListTerms],
) -> list[Charge]:
    if not any(span.seat_days or span.usage for span in facts):
        return []
    if concern.month not in prices:
        raise PriceMissing(
            f"No price list for {concern.month:%B %Y}.", field="price_list"
        )
    return charge_month(
        concern.pair.agency_id, concern.month, facts, prices[concern.month]
    )
