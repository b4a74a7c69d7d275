"""Reads the calls that a document line was computed from."""

from collections.abc import Iterator
from datetime import date
from functools import partial

from django.db.models import OuterRef, Subquery

from billing.invoicing.domain.itemized import (
    EarlierDocument,
    ItemizedCall,
    MonthPrices,
    itemize_calls,
    was_counted,
)
from billing.invoicing.models.documents import DocumentLine, Void
from billing.invoicing.queries.facts import Span, facts_of
from billing.metering.queries.event_store import counted_events
from billing.pricing.queries import published_terms
from core.periods import next_month


def calls_behind(
    line: DocumentLine, *, agent_id: int | None = None, used_on: date | None = None
) -> Iterator[ItemizedCall]:
    """The agency's calls of the line's month and meter, up to the document's cut-off.

    In order of time and in constant memory; `billed_seconds` sum to the line's
    `billable`. With `agent_id` or `used_on`, those of the agent or the local date, and
    no amounts where a price depends on the calls before. The line must have a meter;
    select its document and meter with it.
    """
    assert line.meter
    cutoff = line.cutoff
    whole = Span(
        line.agency_id, line.month, line.month, next_month(line.month), cutoff, {}
    )
    prices = MonthPrices(
        published_terms(line.price_list_id).rate(line.meter.code),
        seat_days=facts_of([whole])[0].seat_days,
        month=line.month,
        is_partial=agent_id is not None or used_on is not None,
    )
    events = counted_events(
        agency_id=line.agency_id,
        month=line.month,
        meter_id=line.meter.pk,
        cutoff=cutoff,
        agent_id=agent_id,
        used_on=used_on,
    )
    return itemize_calls(
        events,
        prices=prices,
        counted_before=partial(
            was_counted, earlier=_billed_before(line), cutoff=cutoff
        ),
        in_seconds=line.meter.raw_unit == "second",
    )


def _billed_before(line: DocumentLine) -> list[EarlierDocument]:
    """The payer's earlier documents with a line for the same charge, in order."""
    earlier = DocumentLine.objects.filter(
        payer=line.payer_id,
        agency=line.agency_id,
        month=line.month,
        meter=line.meter_id,
        document__lt=line.document_id,
    )
    void = Void.objects.filter(
        document=OuterRef("document"), agency=OuterRef("agency")
    ).values("cutoff")
    rows = earlier.order_by("document").values_list("document__cutoffs", Subquery(void))
    return [
        EarlierDocument(cutoffs[str(line.agency_id)], void_cutoff)
        for cutoffs, void_cutoff in rows
    ]
