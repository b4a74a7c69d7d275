"""Exactly the calls that a line was computed from."""

from collections.abc import Iterator

from django.db.models import F

from billing.invoicing.itemised import Call, MonthPrices, itemise
from billing.invoicing.models import DocumentLine, Void
from billing.invoicing.queries.facts import Span, facts_of
from billing.metering.queries import counted_events
from billing.pricing.queries import published_terms
from seats.periods import next_month


def calls_behind(line: DocumentLine) -> Iterator[Call]:
    """The agency's usage of the line's month and meter up to the document's cut-off.

    In order of time and in constant memory; `billed_seconds` sum to the line's
    `billable`. The line names a meter, and comes with document and meter.
    """
    assert line.meter
    cutoff = _cutoff(line)
    whole = Span(
        line.agency_id, line.month, line.month, next_month(line.month), cutoff, {}
    )
    prices = MonthPrices(
        published_terms(line.price_list_id).rate(line.meter.code),
        seat_days=facts_of([whole])[0].seat_days,
        month=line.month,
    )
    events = counted_events(
        agency_id=line.agency_id,
        month=line.month,
        meter_id=line.meter.pk,
        cutoff=cutoff,
    )
    return itemise(
        events,
        prices=prices,
        billed_cutoff=_billed_cutoff(line, cutoff),
        in_seconds=line.meter.raw_unit == "second",
    )


def _cutoff(line: DocumentLine) -> int:
    return int(line.document.cutoffs[str(line.agency_id)])


def _billed_cutoff(line: DocumentLine, cutoff: int) -> int:
    """Up to which cut-off the amount before was computed; 0: nothing was billed.

    A document that was void by the line's own cut-off does not count, as it did not
    when the line was written.
    """
    void = Void.objects.filter(
        agency=line.agency_id, cutoff__lte=cutoff, document__payer=line.payer_id
    )
    earlier = DocumentLine.objects.filter(
        payer=line.payer_id,
        agency=line.agency_id,
        month=line.month,
        meter=line.meter_id,
        document__lt=line.document_id,
    ).exclude(document__in=void.values("document"))
    name = f"document__cutoffs__{line.agency_id}"
    return max(
        (int(told) for told in earlier.values_list(F(name), flat=True)), default=0
    )
