"""Reads stored documents as values."""

from collections.abc import Sequence

from billing.invoicing.domain.content import Header, Issue, Line
from billing.invoicing.models.documents import Document, DocumentLine


def header_of(document: Document) -> Header:
    """The columns of a document that are fixed from its draft on."""
    return Header(
        public_id=str(document.public_id),
        payer_id=document.payer_id,
        kind=document.kind,
        month=document.month,
        currency=document.currency,
        price_list=document.price_list.code if document.price_list else "",
        price_list_hash=document.price_list_hash,
        subtotal=document.subtotal,
        tax=document.tax,
        total=document.total,
        parties=document.parties,
        cutoffs=document.cutoffs,
    )


def issue_of(document: Document) -> Issue:
    """The number, dates and previous hash of an issued document."""
    assert document.number
    assert document.issued_at
    assert document.due_at
    return Issue(
        document.number, document.issued_at, document.due_at, document.previous_hash
    )


def lines_of(document_ids: Sequence[int]) -> dict[int, list[Line]]:
    """The lines of each document in order, in one query."""
    lines: dict[int, list[Line]] = {}
    rows = DocumentLine.objects.filter(document__in=document_ids).select_related(
        "meter", "price_list"
    )
    for row in rows.order_by("document", "position"):
        lines.setdefault(row.document_id, []).append(
            Line(
                agency_id=row.agency_id,
                month=row.month,
                late=row.late,
                meter=row.meter.code if row.meter else None,
                price_list=row.price_list.code,
                description=row.description,
                raw=row.raw,
                billable=row.billable,
                quantity=row.quantity,
                included=row.included,
                unit_price=row.unit_price,
                charge=row.charge,
                amount_before=row.amount_before,
                amount_now=row.amount_now,
                tax=row.tax,
            )
        )
    return lines
