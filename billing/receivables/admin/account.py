"""The account of a payer for members: its statement, and what covers an invoice."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from billing.accounts.admin.payers import PayerForm, at_payer, payer_in
from billing.invoicing.admin.invoice import (
    INVOICE,
    document_in,
    invoice_link,
    invoice_url,
)
from billing.invoicing.models.documents import Document
from billing.processors.domain.port import MANUAL
from billing.receivables.models import Allocation
from billing.receivables.queries.statements import (
    Movement,
    Statement,
    account_statement,
)
from core.admin.dates import DateField
from core.admin.pages import AgencyPanels, once_per_request
from core.admin.panels import Cell, Link, Money, Panel, Table
from core.periods import DAY, month_of
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates

SHOWN_DAYS = timedelta(days=365)  # unless other dates are asked for
KINDS = {
    "invoice": "Invoice",
    "credit_note": "Credit note",
    "void": "Void of",
    "payment": "Payment",
    "reversal": "Payment taken back",
    "refund": "Refund",
    "chargeback": "Chargeback",
}


class StatementForm(PayerForm):
    """The payer, and the first and last date of the statement."""

    start = DateField(required=False, label="From")
    end = DateField(required=False, label="To")

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        now = timezone.now()
        self.today = local_dates([self.payer.pk], now=now)[self.payer.pk]
        defaults = {"start": month_of(self.today - SHOWN_DAYS), "end": self.today}
        for name, day in defaults.items():
            if not request.GET.get(name):
                self.data[name] = f"{day:%Y-%m-%d}"  # type: ignore[index]

    def dates(self) -> tuple[date, date]:
        """The first date, and the date after the last."""
        valid = self.cleaned_data if self.is_valid() else {}
        start = valid.get("start") or month_of(self.today - SHOWN_DAYS)
        end = min(valid.get("end") or self.today, date.max - DAY)
        return start, end + DAY


def statement_form(request: HttpRequest) -> StatementForm:
    """The form; made once per request."""
    return once_per_request(request, "statement_form", lambda: StatementForm(request))


def statement_in(request: HttpRequest) -> Statement:
    """The statement that the address asks for; read once per request."""

    def read() -> Statement:
        form = statement_form(request)
        start, end = form.dates()
        return account_statement(payer=form.payer, starts_on=start, ends_on=end)

    return once_per_request(request, "statement", read)


def account_title(request: HttpRequest) -> str:
    """Account, and of whom."""
    return f"Account of {payer_in(request).name}"


ACCOUNT = AgencyPanels(
    name="account",
    path="account/",
    title=account_title,
    permission=Action.VIEW_MONEY,
    menu=("Money", "Account"),
    filters=statement_form,
)


@ACCOUNT.panel("balance", order=10)
def balance(request: HttpRequest) -> Panel:
    """What is owed at the end of the dates, in words."""
    statement = statement_in(request)
    owed, currency = statement.closing, statement.payer.currency
    last = statement.ends_on - DAY
    if owed > 0:
        words = f"Owed as of {last:%B} {last.day}, {last.year}."
    elif owed < 0:
        words = "Credit. It is used for the next invoices first."
    else:
        words = "Nothing is owed."
    return Panel(
        key="balance",
        title="Balance",
        figure=Money(owed, currency),
        sentences=[words],
        links=[Link("Invoices", _invoices_of(statement))],
    )


def _invoices_of(statement: Statement) -> str:
    listed = invoice_url(0).removesuffix("0/change/")
    return f"{listed}?payer__id__exact={statement.payer.pk}"


@ACCOUNT.panel("statement", order=20)
def movements(request: HttpRequest) -> Panel:
    """Documents, payments, credits and refunds by date, with the balance after each."""
    statement = statement_in(request)
    currency = statement.payer.currency
    links = _documents_in(statement)
    opening: list[list[Cell]] = [
        [
            statement.starts_on,
            "Opening balance",
            None,
            Money(statement.opening, currency),
        ]
    ]
    return Panel(
        key="statement",
        title="Statement of account",
        sentences=[
            "Positive amounts are owed; the balance is what is owed after each."
        ],
        table=Table(
            columns=["Date", "What", "Amount", "Balance"],
            rows=opening
            + [
                [
                    movement.on,
                    _what(movement, links),
                    Money(movement.amount, currency),
                    Money(movement.balance, currency),
                ]
                for movement in statement.movements
            ],
            total=["", "Closing balance", None, Money(statement.closing, currency)],
        ),
        is_wide=True,
    )


def _documents_in(statement: Statement) -> dict[Any, str]:
    """The addresses of the documents of a statement, by public id."""
    kinds = {"invoice", "credit_note", "void"}
    ids = [row.id for row in statement.movements if row.kind in kinds]
    rows = Document.objects.filter(public_id__in=ids, payer=statement.payer)
    return {pid: invoice_url(pk) for pid, pk in rows.values_list("public_id", "pk")}


def _what(movement: Movement, links: dict[Any, str]) -> Cell:
    reference = movement.label.removeprefix(f"{MANUAL} ")
    text = f"{KINDS[movement.kind]} {reference}"
    return Link(text, links[movement.id]) if movement.id in links else text


@INVOICE.panel("covered", order=70)
def covered_by(request: HttpRequest, document_id: int) -> Panel | None:
    """The payments and credit notes that were applied to an invoice."""
    document = document_in(request, document_id)
    if document.kind != Document.Kind.INVOICE:
        return _given_to(document)
    parts = Allocation.objects.filter(document=document).order_by("pk")
    parts = parts.select_related("payment", "credit_note")
    return _applied(
        document,
        "Payments and credit",
        [(part, _source(part)) for part in parts],
        "Nothing was paid or credited yet.",
    )


def _given_to(document: Any) -> Panel:
    parts = Allocation.objects.filter(credit_note=document).order_by("pk")
    rows: list[tuple[Allocation, Cell]] = [
        (part, invoice_link(part.document)) for part in parts.select_related("document")
    ]
    return _applied(
        document, "What the credit was used for", rows, "It was not used yet."
    )


def _source(part: Allocation) -> Cell:
    """A payment by how it was made, or a credit note."""
    if part.credit_note is not None:
        return Link(f"Credit note {part.credit_note}", invoice_url(part.credit_note.pk))
    assert part.payment
    how = (part.payment.method or part.payment.processor).replace("_", " ")
    what = "Payment" if part.amount > 0 else "Taken back of the payment"
    return f"{what} by {how}, {part.payment.reference}"


def _applied(
    document: Any, title: str, rows: list[tuple[Allocation, Cell]], empty: str
) -> Panel:
    currency = document.currency
    total = sum((part.amount for part, _ in rows), Decimal(0))
    return Panel(
        key="covered",
        title=title,
        table=Table(
            columns=["What", "When", "Amount"],
            rows=[
                (
                    what,
                    at_payer(part.recorded_at, document.zones),
                    Money(part.amount, currency),
                )
                for part, what in rows
            ],
            total=("Total", "", Money(total, currency)) if rows else None,
            empty=empty,
        ),
        is_wide=bool(rows),
    )
