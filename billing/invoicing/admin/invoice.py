"""An invoice or credit note as people read it; rooms above add what was paid of it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.accounts.admin.payers import at_payer
from billing.invoicing.admin.words import (
    change_text,
    document_title,
    state_in_words,
)
from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.queries.changes import month_changes
from billing.invoicing.queries.left_to_pay import with_left_to_pay
from core.admin.pages import AgencyPanels, once_per_request
from core.admin.panels import Link, Money, Panel
from core.admin.scoped import any_of, reach_in
from seats.access.domain import Action
from seats.agencies.queries.agencies import zones_of

MOST_PAGES = 10_000


def documents_in(request: HttpRequest) -> QuerySet[Any]:
    """The issued documents within reach, each with its payer and `left_to_pay`."""
    ids = reach_in(request).agencies(Action.VIEW_MONEY)
    issued = Document.objects.exclude(state=Document.State.DRAFT)
    within = issued.filter(payer__in=any_of(ids)).select_related("payer", "price_list")
    return with_left_to_pay(within)


def document_in(request: HttpRequest, document_id: int) -> Any:
    """An issued document within reach; read once per request. Raises Http404."""

    def read() -> Any:
        document = documents_in(request).filter(pk=document_id).first()
        if document is None:
            raise Http404
        document.zones = zones_of([document.payer_id])[document.payer_id]
        return document

    return once_per_request(request, ("document", document_id), read)


def due_at_payer(instant: datetime, zone: str | None) -> datetime:
    """The instant in a time zone of the payer; in UTC without one."""
    return instant.astimezone(ZoneInfo(zone or "UTC"))


def invoice_url(document_id: int) -> str:
    """The address of the page of a document."""
    name = "admin:billing_document_change"
    return reverse(name, args=[document_id], current_app="agency")


def invoice_link(document: Document) -> Link:
    """The number of a document, as a link to it."""
    return Link(str(document), invoice_url(document.pk))


def page_number(request: HttpRequest) -> int:
    """The page that the address names, from 0; what is no number is the first."""
    text = request.GET.get("page", "")
    is_number = text.isascii() and text.isdigit() and len(text) < len(str(MOST_PAGES))
    return max(int(text) - 1, 0) if is_number else 0


def page_links(request: HttpRequest, page: int, *, has_more: bool) -> list[Link]:
    """Links to the pages before and after this one."""
    links = []
    for text, number, is_there in (
        ("Previous page", page, page > 0),
        ("Next page", page + 2, has_more),
    ):
        query = request.GET.copy()
        query["page"] = str(number)
        if is_there:
            links.append(Link(text, f"?{query.urlencode()}"))
    return links


def invoice_title(request: HttpRequest, document_id: int) -> str:
    """Invoice SUNRISE-00003."""
    return document_title(document_in(request, document_id))


def invoice_links(request: HttpRequest, document_id: int) -> Iterable[Link]:
    """Files, and pages about the same document."""
    history = reverse(
        "admin:billing_document_history", args=[document_id], current_app="agency"
    )
    return [Link("Download lines (CSV)", "?csv=lines"), Link("History", history)]


INVOICE = AgencyPanels(
    name="invoice",
    path="",  # it is the page of a row in the list of invoices
    title=invoice_title,
    permission=Action.VIEW_MONEY,
    links=invoice_links,
)


@INVOICE.panel("due", order=10)
def due(request: HttpRequest, document_id: int) -> Panel:
    """What is left to pay, or what a credit note gives back."""
    document = document_in(request, document_id)
    due_at = at_payer(document.due_at, document.zones)
    is_invoice = document.kind == Document.Kind.INVOICE
    is_void = document.state == Document.State.VOID
    nothing = Decimal(0)
    amount = document.left_to_pay if is_invoice else document.total
    return Panel(
        key="due",
        title="Amount due" if is_invoice else "Amount",
        figure=Money(nothing if is_void else amount, document.currency),
        sentences=[state_in_words(document, due_at, now=timezone.now())],
        facts=[
            ("Total", Money(document.total, document.currency)),
            *([("Due", due_at)] if is_invoice else []),
        ],
    )


@INVOICE.panel("document", order=20)
def details(request: HttpRequest, document_id: int) -> Panel:
    """Who pays it, for which month, by which prices."""
    document = document_in(request, document_id)
    payer = document.parties.get("payer", {})
    address = ", ".join(str(payer.get("address", "")).splitlines())
    return Panel(
        key="document",
        title="Details",
        facts=[
            ("Number", str(document)),
            ("For", f"{payer.get('name') or document.payer.name}"),
            *([("Address", address)] if address else []),
            ("Month", f"{document.month:%B %Y}"),
            ("Issued", at_payer(document.issued_at, document.zones)),
            ("Price list", document.price_list.code if document.price_list else "-"),
        ],
    )


@INVOICE.panel("changes", order=30)
def changes(request: HttpRequest, document_id: int) -> Panel | None:
    """What is different from the month before, in three lines that sum to it."""
    document = document_in(request, document_id)
    previous, parts = month_changes(document)
    if previous is None:
        return None
    currency = document.currency
    total = sum((part.after - part.before for part in parts), Decimal(0))
    page = reverse("admin:compare", current_app="agency")
    query = f"?agency={document.payer.code}&before={previous.pk}&after={document.pk}"
    return Panel(
        key="changes",
        title=f"{change_text(total, currency)} since {previous.month:%B}",
        facts=[
            (part.label, change_text(part.after - part.before, currency))
            for part in parts
        ],
        links=[
            Link("What made the difference", page + query),
            Link(f"{previous} of {previous.month:%B %Y}", invoice_url(previous.pk)),
        ],
    )


@INVOICE.panel("total", order=60)
def totals(request: HttpRequest, document_id: int) -> Panel:
    """Subtotal, tax, total, and what is left of it."""
    document = document_in(request, document_id)
    currency = document.currency
    paid = document.total - document.left_to_pay
    facts: list[tuple[str, Money]] = [
        ("Subtotal", Money(document.subtotal, currency)),
        ("Tax", Money(document.tax, currency)),
        ("Total", Money(document.total, currency)),
    ]
    if document.kind == Document.Kind.INVOICE and document.state != Document.State.VOID:
        facts += [
            ("Paid and credited", Money(-paid if paid else paid, currency)),
            ("Left to pay", Money(document.left_to_pay, currency)),
        ]
    return Panel(key="total", title="Total", facts=facts)


@INVOICE.panel("included", order=55)
def included(request: HttpRequest, document_id: int) -> Panel | None:
    """What a seat includes, at 0.00."""
    document = document_in(request, document_id)
    seats = DocumentLine.objects.filter(document=document, kind="seat", late=False)
    line = seats.select_related("price_list").order_by("position").first()
    if line is None or not line.price_list.seat_includes:
        return None
    nothing = Money(Decimal(0), document.currency)
    return Panel(
        key="included",
        title="Included in each seat",
        facts=[(name, nothing) for name in line.price_list.seat_includes],
    )
