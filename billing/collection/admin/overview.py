"""Panels of the overview that need all rooms: what is due, agencies, what happened."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from billing.collection.queries.latest import (
    SeatChange,
    latest_documents,
    latest_payments,
    latest_seat_changes,
)
from billing.invoicing.admin.bills import bills_of
from billing.invoicing.models.documents import Document
from billing.receivables.models import Payment
from billing.receivables.queries.due import due_by_payer, open_invoices
from core.admin.panels import Cell, Link, Money, Panel, Table, cell_text, money_sum
from core.admin.scoped import any_of, reach_in
from core.periods import local_date, zone_on
from seats.access.admin.overview import OVERVIEW, shown_agencies
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates, zones_of
from seats.agencies.queries.today import seats_on
from seats.models import Agency, SeatVersion

MOST_INVOICES = 200
MOST_EVENTS = 15
DOCUMENT = "admin:billing_document_change"


@OVERVIEW.panel("due", order=30, permission=Action.VIEW_MONEY)
def what_is_due(request: HttpRequest) -> Panel | None:
    """Open invoices, since when they are due, and the way to pay them."""
    payers = {payer.pk: payer for payer in shown_agencies(request, Action.VIEW_MONEY)}
    if not payers:
        return None
    now = timezone.now()
    sums = due_by_payer(payers, now=now)
    left = [Money(due.left, payers[pk].currency) for pk, due in sums.items()]
    overdue = [
        Money(due.overdue, payers[pk].currency)
        for pk, due in sums.items()
        if due.overdue
    ]
    invoices = open_invoices(payers, most=MOST_INVOICES) if sums else []
    zones = zones_of(payers)
    rows: list[list[Cell]] = []
    for due in invoices:
        document = due.document
        assert document.due_at
        of_payer = zones[document.payer_id]
        due_on = local_date(document.due_at, of_payer)
        days = (local_date(now, of_payer) - due_on).days
        rows.append(
            [
                Link(document.label, _page_of(document)),
                *([document.payer.name] if len(payers) > 1 else []),
                due_on,
                _since(days),
                Money(due.amount, document.currency),
            ]
        )
    names = ["Agency"] if len(payers) > 1 else []
    sentence = "Nothing is due: every invoice is paid."
    if left:
        sentence = (
            f"{cell_text(money_sum(overdue))} of it is overdue."
            if overdue
            else "Nothing is overdue."
        )
    table = Table(["Invoice", *names, "Due on", "Since", "Left to pay"], rows, limit=5)
    return Panel(
        key="due",
        title="Due",
        figure=money_sum(left) if left else None,
        sentences=[sentence],
        table=table if rows else None,
        links=_pay_links(request, [due.document for due in invoices]),
        is_wide=bool(rows),
    )


def _since(days: int) -> str:
    if days > 0:
        return f"{days} day{'' if days == 1 else 's'} ago"
    return "today" if not days else f"in {-days} day{'' if days == -1 else 's'}"


def _pay_links(request: HttpRequest, documents: list[Document]) -> list[Link]:
    """The page of the longest due invoice, of a page about one payer that may be paid."""
    payers = {document.payer_id for document in documents}
    if len(payers) != 1 or not payers <= reach_in(request).agencies(Action.PAY):
        return []
    document = documents[0]
    return [Link(f"Pay {document.label}", _page_of(document), button=True)]


def _page_of(document: Document) -> str:
    return reverse(DOCUMENT, args=[document.pk], current_app="agency")


@OVERVIEW.panel("agencies", order=70, permission=Action.VIEW_AGENCIES)
def agencies_below(request: HttpRequest) -> Panel | None:
    """The agencies that the page is about, to go down into."""
    agencies = shown_agencies(request, Action.VIEW_AGENCIES)
    if len(agencies) < 2:
        return None
    now = timezone.now()
    payers = {payer.pk for payer in shown_agencies(request, Action.VIEW_MONEY)}
    dues = due_by_payer(payers, now=now) if payers else {}
    costs = {bill.payer.pk: bill for bill in bills_of(request)}
    today = max(local_dates([a.pk for a in agencies], now=now).values())
    counted = Agency.objects.filter(pk__in=any_of([a.pk for a in agencies]))
    seats = dict(counted.annotate(n=seats_on(today)).values_list("pk", "n"))
    home = reverse("admin:index", current_app="agency")
    rows: list[list[Cell]] = []
    for agency in agencies:
        link = Link(f"{agency.name}", f"{home}?{urlencode({'agency': agency.code})}")
        row: list[Cell] = [link, agency.code, seats[agency.pk]]
        if payers:
            bill, due = costs.get(agency.pk), dues.get(agency.pk)
            is_shown = agency.pk in payers
            nothing = Money(Decimal(0), agency.currency) if is_shown else None
            row += [
                Money(bill.total, agency.currency) if bill and bill.is_priced else None,
                Money(due.overdue, agency.currency) if due else nothing,
            ]
        rows.append(row)
    money = ["This month so far", "Overdue"] if payers else []
    return Panel(
        key="agencies",
        title="Agencies",
        sentences=["Choose an agency to see its overview."],
        table=Table(["Agency", "Code", "Seats", *money], rows, limit=50),
        is_wide=True,
    )


@OVERVIEW.panel("lately", order=200, permission=Action.VIEW_AGENCIES)
def what_happened(request: HttpRequest) -> Panel | None:
    """The latest changes of seats, invoices and payments, newest first."""
    agencies = {a.pk: a for a in shown_agencies(request, Action.VIEW_SEATS)}
    payers = [payer.pk for payer in shown_agencies(request, Action.VIEW_MONEY)]
    events: list[tuple[datetime, int, Cell]] = [
        (change.recorded_at, change.agency_id, _seats_text(change))
        for change in latest_seat_changes(agencies, most=MOST_EVENTS)
    ]
    if payers:
        for document in latest_documents(payers, most=MOST_EVENTS):
            assert document.issued_at
            link = Link(_document_text(document), _page_of(document))
            events.append((document.issued_at, document.payer_id, link))
        for payment in latest_payments(payers, most=MOST_EVENTS):
            events.append(
                (payment.received_at, payment.payer_id, _payment_text(payment))
            )
    events.sort(key=lambda event: event[:2], reverse=True)
    zones = zones_of({agency_id for _, agency_id, _ in events})
    several = len(agencies) > 1
    rows: list[list[Cell]] = []
    for at, agency_id, text in events[:MOST_EVENTS]:
        zone = zone_on(zones[agency_id], local_date(at, zones[agency_id]))
        agency: list[Cell] = [agencies[agency_id].code] if several else []
        rows.append([at.astimezone(ZoneInfo(zone)), *agency, text])
    return Panel(
        key="lately",
        title="What happened lately",
        table=Table(
            ["When", *(["Agency"] if several else []), "What"],
            rows,
            empty="Nothing yet. Add agents with seats to begin.",
        ),
        is_wide=True,
    )


def _seats_text(change: SeatChange) -> str:
    """For example: "16 seats added from 2026-09-01" or "Seat of Ana Diaz removed"."""
    done = SeatVersion.Action(change.action).label
    if change.seats == 1:
        return f"Seat of {change.agent} {done}, from {change.from_date} on"
    return f"{change.seats} seats {done}, from {change.from_date} on"


def _document_text(document: Document) -> str:
    kind = "Credit note" if document.kind == Document.Kind.CORRECTION else "Invoice"
    amount = cell_text(Money(document.total, document.currency))
    return f"{kind} {document.label} for {document.month:%B %Y} issued: {amount}"


def _payment_text(payment: Payment) -> str:
    means = payment.method.replace("_", " ")
    by = f" by {means}" if means not in {"", "processor"} else ""
    return (
        f"Payment of {cell_text(Money(payment.amount, payment.currency))} received{by}"
    )
