"""Columns of documents and their lines, on the pages of both sites."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.template.loader import render_to_string

from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.queries.statements import seats_behind
from core.admin.cells import money_cell
from core.money import money_text, plain


class LineColumns:
    """Amounts with the places of their currency, numbers without trailing zeros."""

    @admin.display(description="quantity")
    def units(self, line: DocumentLine) -> str:
        included = f" ({plain(line.included)} included)" if line.included else ""
        return plain(line.quantity) + included

    @admin.display(description="unit price")
    def price(self, line: DocumentLine) -> str:
        return "-" if line.unit_price is None else plain(line.unit_price)

    @admin.display(description="amount before")
    def before(self, line: DocumentLine) -> str:
        return money_cell(line.amount_before, line.document.currency)

    @admin.display(description="amount now")
    def now(self, line: DocumentLine) -> str:
        return money_cell(line.amount_now, line.document.currency)

    @admin.display(description="amount")
    def adds(self, line: DocumentLine) -> str:
        return money_cell(line.amount, line.document.currency)


class DocumentColumns:
    """The month, the amounts, and the seats behind a document."""

    @admin.display(description="month", ordering="month")
    def period(self, document: Document) -> str:
        return f"{document.month:%Y-%m}"

    @admin.display(description="total", ordering="total")
    def amount(self, document: Document) -> str:
        return money_cell(document.total, document.currency)

    @admin.display(description="left to pay")
    def left(self, document: Any) -> str:
        if document.kind != "invoice" or document.state in {"draft", "void"}:
            return ""
        return money_cell(document.left_to_pay, document.currency)

    @admin.display(description="seats")
    def seat_statement(self, document: Document) -> str:
        """The holders behind each seat line, and what a seat includes."""
        lines = document.lines.filter(kind="seat").select_related(
            "agency", "price_list"
        )
        parts = [
            {
                "title": f"{line.agency.code}, {line.month:%Y-%m}",
                "nothing": money_text(Decimal(0), document.currency),
                "includes": line.price_list.seat_includes,
                "rows": seats_behind(line),
            }
            for line in lines
        ]
        return render_to_string("admin/billing/statement.html", {"parts": parts})
