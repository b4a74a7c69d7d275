"""The documents of the demo as a table."""

from collections.abc import Iterator
from decimal import Decimal

from rich.table import Table

from billing.invoicing.models.documents import Document

COLUMNS = [
    "document",
    "payer",
    "month",
    "seat days",
    "seat amount",
    "usage",
    "late",
    "total",
]


def documents_table() -> Table:
    """A table of every document in the database, by month and payer."""
    table = Table(*COLUMNS, header_style="bold")
    for name in COLUMNS[3:]:
        table.columns[COLUMNS.index(name)].justify = "right"
    documents = Document.objects.select_related("payer").prefetch_related("lines")
    for document in documents.order_by("month", "payer__code"):
        table.add_row(*_cells(document))
    return table


def _cells(document: Document) -> Iterator[str]:
    lines = list(document.lines.all())
    seats = [line for line in lines if line.kind == "seat" and not line.late]
    usage = [line for line in lines if line.kind == "usage" and not line.late]
    late = [line for line in lines if line.late]
    yield str(document)
    yield document.payer.code
    yield f"{document.month:%Y-%m}"
    yield str(sum((line.quantity for line in seats), Decimal(0)).quantize(Decimal(1)))
    for part in (seats, usage, late):
        yield f"{sum((line.amount for line in part), Decimal(0)):.2f}"
    yield f"{document.total:.2f} {document.currency}"
