"""What a document adds for seats, usage and earlier months, beside the month before."""

from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from billing.invoicing.models.documents import Document, DocumentLine

LABELS = {"seat": "Seats", "usage": "Usage", "late": "Earlier months"}


class Change(NamedTuple):
    """An amount on the document before and on this one, with tax."""

    label: str
    before: Decimal
    after: Decimal


def previous_document(document: Document) -> Document | None:
    """The payer's newest document for a month before, unless it is void."""
    issued = Document.objects.exclude(state__in=["draft", "void"])
    earlier = issued.filter(payer=document.payer_id, month__lt=document.month)
    return earlier.order_by("-month", "-number").first()


def month_changes(document: Document) -> tuple[Document | None, list[Change]]:
    """The document before, and the changes since; these sum to that of the total.

    Two queries. Without a document before, there are no changes.
    """
    previous = previous_document(document)
    if previous is None:
        return None, []
    lines = DocumentLine.objects.filter(document__in=[previous.pk, document.pk])
    rows = lines.order_by().values_list("document", "late", "kind")
    sums: dict[tuple[int, str], Decimal] = {}
    for pk, late, kind, amount, tax in rows.annotate(sum=Sum("amount"), tax=Sum("tax")):
        key = (pk, "late" if late else kind)
        sums[key] = sums.get(key, Decimal(0)) + amount + tax
    return previous, [
        Change(
            label,
            sums.get((previous.pk, kind), Decimal(0)),
            sums.get((document.pk, kind), Decimal(0)),
        )
        for kind, label in LABELS.items()
    ]
