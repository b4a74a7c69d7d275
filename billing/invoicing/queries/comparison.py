"""Reads documents as what can be compared."""

from collections.abc import Collection

from billing.invoicing.domain.comparison import ComparedLine
from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.queries.facts import Span, seats_of
from billing.pricing.domain.rating import PriceListTerms
from billing.pricing.queries import published_terms
from core.periods import next_month


def compared_lines(
    documents: Collection[Document],
) -> tuple[dict[int, list[ComparedLine]], dict[int, PriceListTerms]]:
    """The lines of each document, by its id, and their price lists. Two queries.

    Terms of price lists are cached; each that is not costs some more, once.
    """
    rows = DocumentLine.objects.filter(document__in=documents).order_by("pk")
    lines = list(rows.select_related("document", "meter"))
    seats = _seats_behind(lines)
    compared: dict[int, list[ComparedLine]] = {row.pk: [] for row in documents}
    for line in lines:
        seat_days, count = seats[
            line.document_id, line.agency_id, line.month.toordinal()
        ]
        compared[line.document_id].append(
            ComparedLine(
                agency_id=line.agency_id,
                month=line.month,
                late=line.late,
                meter=line.meter.code if line.meter else None,
                quantity=line.quantity,
                billable=line.billable,
                charge=line.charge,
                amount=line.amount,
                tax=line.tax,
                unit_price=line.unit_price,
                list_id=line.price_list_id,
                seats=count,
                seat_days=seat_days,
            )
        )
    list_ids = {line.price_list_id for line in lines}
    return compared, {list_id: published_terms(list_id) for list_id in list_ids}


def _seats_behind(
    lines: Collection[DocumentLine],
) -> dict[tuple[int, int, int], tuple[int, int]]:
    """The seat days and seats of each agency and month, as of each document."""
    spans = {
        (line.document_id, line.agency_id, line.month.toordinal()): Span(
            line.agency_id,
            line.month,
            line.month,
            next_month(line.month),
            line.cutoff,
            {},
        )
        for line in lines
    }
    return dict(zip(spans, seats_of(list(spans.values())), strict=True))
