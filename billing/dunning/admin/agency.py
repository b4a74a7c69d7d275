"""What is done about late money, in words, on the pages of members."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from billing.accounts.admin.payers import at_payer, payer_in
from billing.collection.admin.paying import PAY
from billing.dunning.models import DunningCase
from billing.dunning.queries import open_cases, with_debts
from billing.invoicing.admin.invoice import INVOICE, document_in, invoice_link
from billing.receivables.admin.account import ACCOUNT
from core.admin.panels import Link, Panel
from core.admin.scoped import reach_in
from core.money import money_label
from seats.access.domain import Action
from seats.agencies.queries.agencies import zones_of

State = DunningCase.State


@ACCOUNT.panel("reminders", order=15)
def of_account(request: HttpRequest) -> Panel | None:
    """The dunning of the payer, with what to do next."""
    payer = payer_in(request)
    return _panel(request, payer.pk, zones_of([payer.pk])[payer.pk])


@INVOICE.panel("reminders", order=16)
def of_invoice(request: HttpRequest, document_id: int) -> Panel | None:
    """The dunning of the payer, on the oldest invoice of the case."""
    document = document_in(request, document_id)
    return _panel(request, document.payer_id, document.zones, document_id=document_id)


def _panel(
    request: HttpRequest,
    payer_id: int,
    zones: list[Any],
    *,
    document_id: int | None = None,
) -> Panel | None:
    now = timezone.now()
    case: Any = open_cases([payer_id]).get(payer_id)
    if case is None or document_id not in {None, case.invoice_id}:
        return None
    with_debts([case], now=now)
    may_pay = payer_id in reach_in(request).agencies(Action.PAY)
    links = [invoice_link(case.invoice)]
    if may_pay:
        url = PAY.url(document_id=case.invoice_id)
        links.insert(0, Link("Pay now", url, button=document_id is None))
    return Panel(
        key="reminders",
        title=TITLES[State(case.state)],
        sentences=case_sentences(case, zones),
        links=links,
    )


TITLES = {
    State.RETRYING: "A charge did not go through",
    State.WAITING: "Another payment method is needed",
    State.OVERDUE: "Overdue",
    State.SUSPENDED: "Calls are suspended",
    State.CLOSED: "Nothing is overdue",
}


def case_sentences(case: Any, zones: list[Any]) -> list[str]:
    """An open case, which comes with its debts, in words, and what to do next."""
    owed = f"{money_label(case.owed, case.payer.currency)} is owed."
    at = case.postponed_to and _day(at_payer(case.postponed_to, zones))
    by_state = {
        State.RETRYING: [
            f"{case.invoice} is charged again {f'on {at}' if at else 'soon'}.",
            "What to do: check the balance of the card, save another, or pay now.",
        ],
        State.WAITING: [
            "There is no payment method that can be charged.",
            f"It is overdue on {at}.",
            "What to do: save a payment method, or pay now.",
        ],
        State.OVERDUE: [
            f"Unless it is paid, calls are suspended on {at}.",
            "What to do: pay now.",
        ],
        State.SUSPENDED: [
            "New calls are not allowed until it is paid. Numbers and data stay.",
            "What to do: pay now. Calls are allowed again with the payment.",
        ],
        State.CLOSED: [],
    }
    sentences = [owed, *by_state[State(case.state)]]
    if case.held_until:
        until = _day(at_payer(case.held_until, zones))
        sentences.append(f"Our staff paused all of this until {until}.")
    return sentences


def _day(at: datetime) -> str:
    return f"{at:%B} {at.day}, {at:%Y}"
