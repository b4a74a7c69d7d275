"""The lines of an invoice: a section for each agency, what came late, and the file."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse

from billing.invoicing.admin.invoice import (
    INVOICE,
    document_in,
    page_links,
    page_number,
)
from billing.invoicing.admin.words import item_name, price_text, quantity_text
from billing.invoicing.models.documents import Document, DocumentLine
from core.admin.pages import csv_file
from core.admin.panels import Link, Money, Panel, Table
from core.money import money_text
from seats.models import Agency

LINES_A_PAGE = 100
LINE_NAME = "invoice_line"  # the page of what is behind a line
LATE_LINES = (
    "These months were billed before. What was recorded late changes what is owed for"
    " them, and this document bills the difference. The file of lines has all of them."
)


@INVOICE.panel("lines", order=40)
def sections(request: HttpRequest, document_id: int) -> list[Panel]:
    """The lines of the month, a section for each agency, and pages of many."""
    document = document_in(request, document_id)
    page = page_number(request)
    first = page * LINES_A_PAGE
    rows = _lines(document).filter(late=False)[first : first + LINES_A_PAGE + 1]
    lines = list(rows)
    has_more, lines = len(lines) > LINES_A_PAGE, lines[:LINES_A_PAGE]
    sums = _sums_of(document, {line.agency_id for line in lines})
    links = page_links(request, page, has_more=has_more)
    groups = groupby(lines, key=lambda line: line.agency_id)
    panels = [
        _section(document, list(group), sums[agency_id]) for agency_id, group in groups
    ]
    if links:
        panels.append(Panel(key="pages", title="More lines", links=links, is_wide=True))
    return panels


def _lines(document: Document) -> QuerySet[DocumentLine]:
    rows = DocumentLine.objects.filter(document=document).order_by("position")
    return rows.select_related("document", "agency", "meter", "price_list")


def _sums_of(document: Document, agency_ids: set[int]) -> dict[int, Decimal]:
    """The sum of each agency's lines of the month, also of those on other pages."""
    lines = DocumentLine.objects.filter(
        document=document, late=False, agency__in=agency_ids
    )
    rows = lines.order_by().values_list("agency").annotate(sum=Sum("amount"))
    return dict(rows)


def _section(document: Any, lines: list[DocumentLine], total: Decimal) -> Panel:
    currency, agency = document.currency, lines[0].agency
    rows = [
        (
            Link(item_name(line), line_url(line)),
            quantity_text(line),
            price_text(line),
            Money(line.amount, currency),
        )
        for line in lines
    ]
    return Panel(
        key=f"agency-{agency.pk}",
        title=f"{agency.code}, {_name_of(document, agency)}, {document.month:%B %Y}",
        table=Table(
            columns=["Item", "Quantity", "Unit price", "Amount"],
            rows=rows,
            total=[f"Total of {agency.code}", "", "", Money(total, currency)],
        ),
        is_wide=True,
        has_file=False,
    )


def _name_of(document: Any, agency: Agency) -> str:
    """The name of an agency when the document was drafted."""
    agencies = document.parties.get("agencies", {})
    return str(agencies.get(str(agency.pk), {}).get("name") or agency.name)


def line_url(line: DocumentLine) -> str:
    """The address of the page of what is behind a line."""
    values = {"document_id": line.document_id, "position": line.position}
    return reverse(f"admin:{LINE_NAME}", kwargs=values, current_app="agency")


@INVOICE.panel("late", order=50)
def late_lines(request: HttpRequest, document_id: int) -> Panel | None:
    """Lines for months that were billed before, with what was and is owed."""
    document = document_in(request, document_id)
    lines = list(_lines(document).filter(late=True)[:LINES_A_PAGE])
    if not lines:
        return None
    currency = document.currency
    sums = DocumentLine.objects.filter(document=document, late=True).aggregate(
        sum=Sum("amount")
    )
    return Panel(
        key="late",
        title="Changes of earlier months",
        sentences=[LATE_LINES],
        table=Table(
            columns=["Month", "Agency", "Item", "Before", "Now", "Late amount"],
            rows=[
                (
                    f"{line.month:%B %Y}",
                    line.agency.code,
                    Link(item_name(line), line_url(line)),
                    Money(line.amount_before, currency),
                    Money(line.amount_now, currency),
                    Money(line.amount, currency),
                )
                for line in lines
            ],
            total=["Total", "", "", None, None, Money(sums["sum"], currency)],
        ),
        is_wide=True,
        has_file=False,
    )


LINE_COLUMNS = [
    "position", "agency", "month", "late", "item", "quantity", "unit", "included",
    "unit_price", "amount_before", "amount_now", "amount", "currency",
]  # fmt: skip


def lines_file(request: HttpRequest, document_id: int) -> Any:
    """Every line of the document as CSV."""
    document = document_in(request, document_id)
    rows = list(_csv_rows(document))
    return csv_file(f"{document} lines", LINE_COLUMNS, rows)


def _csv_rows(document: Any) -> Iterator[tuple[object, ...]]:
    for line in _lines(document):
        yield (
            line.position,
            line.agency.code,
            f"{line.month:%Y-%m}",
            "late" if line.late else "",
            item_name(line),
            line.quantity,
            line.meter.billed_unit if line.meter else "seat day",
            line.included,
            line.unit_price,
            *(
                money_text(amount, document.currency)
                for amount in (line.amount_before, line.amount_now, line.amount)
            ),
            document.currency,
        )


INVOICE.files["lines"] = lines_file
