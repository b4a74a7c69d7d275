"""Paying an invoice: its attempt in words, and the page on which members pay it."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from billing.accounts.admin.payers import at_payer
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.attempts import request_charge
from billing.collection.services.checkout import PageOptions, open_payment_page
from billing.collection.services.checkout_closing import close_payment_page
from billing.invoicing.admin.invoice import INVOICE, document_in, invoice_link
from billing.invoicing.admin.words import is_owed
from billing.processors.models import PaymentProcessor
from billing.webhooks.services.endpoints import address_policy
from core.admin.pages import AgencyPanels
from core.admin.panels import Link, Money, Panel, PostButton
from core.admin.scoped import reach_in, without_secrets
from core.errors import Refusal
from core.money import money_label
from core.outbound.addresses import NotAllowed, check_url
from seats.access.domain import Action
from seats.access.queries import out_of_reach
from seats.models import Agency, Member

State = PaymentAttempt.State
BY_TRANSFER = "Pay by bank transfer; our staff records it when it has arrived."


def payable_in(request: HttpRequest, document_id: int) -> Any:
    """An invoice that the person may pay. Raises Http404."""
    invoice = document_in(request, document_id)
    may_pay = invoice.payer_id in reach_in(request).agencies(Action.PAY)
    if not may_pay or invoice.kind != "invoice":
        raise Http404
    return invoice


def pay_title(request: HttpRequest, document_id: int) -> str:
    """Pay invoice SUNRISE-00003."""
    return f"Pay invoice {payable_in(request, document_id)}"


def has_checkout() -> bool:
    """Whether there is a processor with pages on which people pay or save a card."""
    kind = PaymentProcessor.Kind.STRIPE
    return PaymentProcessor.objects.filter(kind=kind).exists()


def latest_attempt(invoice: Any) -> PaymentAttempt | None:
    """The newest attempt to charge the invoice, with its page, method and processor."""
    rows = PaymentAttempt.objects.filter(invoice=invoice)
    rows = rows.select_related("page__processor", "method__processor", "processor")
    return without_secrets(rows).order_by("-pk").first()


def open_page_of(attempt: PaymentAttempt | None) -> CheckoutPage | None:
    """The page on which the invoice can be paid now."""
    page: CheckoutPage | None = getattr(attempt, "page", None)
    is_open = attempt and attempt.state in PaymentAttempt.OPEN
    return page if page and is_open and page.url and not page.closed_at else None


def attempt_sentence(attempt: PaymentAttempt, changed_at: datetime) -> str:
    """The state of an attempt in words, and what to do."""
    amount = money_label(attempt.amount, attempt.currency)
    means = attempt.method or attempt.processor.code
    when = f"{changed_at:%B} {changed_at.day}, {changed_at:%H:%M %Z}"
    if open_page_of(attempt):
        return f"A payment page for {amount} is open since {when}. Pay there."
    if getattr(attempt, "page", None) and attempt.state in PaymentAttempt.OPEN:
        return f"A payment page for {amount} is being opened. Reload in a minute."
    return {
        State.CREATED: f"{amount} is about to be charged to {means}. Nothing to do.",
        State.SENT: f"{amount} is being charged to {means} now. Nothing to do.",
        State.PENDING: f"{means} is working on the charge of {amount}. This takes"
        " minutes by card, and days by bank debit. Nothing to do.",
        State.UNKNOWN: f"It is not certain yet whether {amount} was charged to {means}."
        " Do not pay again: we ask until we know.",
        State.SUCCEEDED: f"{amount} was charged to {means} on {when}.",
        State.DECLINED_HARD: f"The bank declined {means} for good on {when}. Save another"
        " payment method, or pay another way.",
        State.DECLINED_SOFT: f"The bank declined {amount} by {means} on {when}, for now."
        " Check the balance, then pay again.",
        State.FAILED: f"The last try, on {when}, charged nothing. Pay again.",
    }[State(attempt.state)]


@INVOICE.panel("payment", order=15)
def payment(request: HttpRequest, document_id: int) -> Panel | None:
    """What became of the last charge, and the way to pay what is left."""
    invoice = document_in(request, document_id)
    attempt = latest_attempt(invoice)
    may_pay = invoice.payer_id in reach_in(request).agencies(Action.PAY)
    can_pay = may_pay and is_owed(invoice) and invoice.left_to_pay > 0
    if attempt is None and not can_pay:
        return None
    sentences = []
    if attempt:
        at = at_payer(attempt.changed_at, invoice.zones)
        sentences.append(attempt_sentence(attempt, at))
    else:
        sentences.append("No charge was tried yet.")
    links = []
    if can_pay:
        left = money_label(invoice.left_to_pay, invoice.currency)
        is_open = attempt and attempt.state in PaymentAttempt.OPEN
        text = "Payment in progress" if is_open else f"Pay {left}"
        links.append(Link(text, PAY.url(document_id=document_id), button=not is_open))
    return Panel(key="payment", title="Payment", sentences=sentences, links=links)


def pay(request: HttpRequest, document_id: int) -> HttpResponse:
    """Do what a button of the page says; what cannot be done is a message on it."""
    invoice = payable_in(request, document_id)
    works = {"charge": _charge, "checkout": _open, "close": _close}
    work = works.get(request.POST.get("action", ""))
    if work is None:
        raise Http404
    try:
        messages.success(request, work(request, invoice))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return HttpResponseRedirect(PAY.url(document_id=document_id), status=303)


def _charge(request: HttpRequest, invoice: Any) -> str:
    if invoice.payer_id not in reach_in(request).agencies(Action.CHARGE_METHODS):
        raise Http404
    attempt = request_charge(
        invoice=invoice, actor=str(request.user), now=timezone.now()
    )
    amount = money_label(attempt.amount, attempt.currency)
    return f"{amount} is being charged. This page says how it went."


def _open(request: HttpRequest, invoice: Any) -> str:
    options = PageOptions(
        actor=str(request.user),
        return_url=return_url(request, PAY.url(document_id=invoice.pk)),
        owner=acting_agency(request, invoice.payer),
    )
    page = open_payment_page(invoice=invoice, options=options, clock=timezone.now)
    return f"The payment page at {page.processor} is open. Go on there to pay."


def _close(request: HttpRequest, invoice: Any) -> str:
    page = open_page_of(latest_attempt(invoice))
    if page is None:
        raise Http404
    attempt = close_payment_page(page=page, clock=timezone.now)
    if attempt.state == State.SUCCEEDED:
        return "It was paid before the page was closed."
    return "The payment page was closed. Nobody can pay on it any more."


def return_url(request: HttpRequest, path: str) -> str:
    """Where the processor sends people back to; empty for the one in the settings."""
    url = request.build_absolute_uri(path)
    try:
        check_url(url, address_policy())
    except NotAllowed:
        return ""
    return url


def acting_agency(request: HttpRequest, payer: Agency) -> Agency:
    """The agency for which the person acts: the payer itself, or one above it."""
    members = Member.objects.filter(
        user=request.user.pk, role__in=[Member.Role.OWNER, Member.Role.ADMIN]
    )
    agencies = {row.agency_id: row.agency for row in members.select_related("agency")}
    grants = {(pk, payer.pk) for pk in agencies}
    grants -= out_of_reach(grants, now=timezone.now())
    ids = [pk for pk, _ in grants]
    if not ids:
        raise Http404
    return agencies[payer.pk if payer.pk in ids else min(ids)]


PAY = AgencyPanels(
    name="pay_invoice",
    path="billing/document/<int:document_id>/pay/",
    title=pay_title,
    permission=Action.PAY,
    post=pay,
)


@PAY.panel("pay", order=10)
def pay_panel(request: HttpRequest, document_id: int) -> Panel:
    """What is left to pay, and the ways to pay it."""
    invoice = payable_in(request, document_id)
    attempt = latest_attempt(invoice)
    back = invoice_link(invoice)
    at = at_payer(attempt.changed_at, invoice.zones) if attempt else None
    sentences = [attempt_sentence(attempt, at)] if attempt and at else []
    is_open = attempt is not None and attempt.state in PaymentAttempt.OPEN
    page = open_page_of(attempt)
    links, buttons = [], []
    if page:
        links = [
            Link(f"Go to the payment page at {page.processor}", page.url, button=True)
        ]
        buttons = [_button(invoice, "Close the payment page", "close")]
    elif is_owed(invoice) and not is_open:
        ways, buttons = _ways(request, invoice)
        sentences += ways
    elif not is_open:
        sentences.append(f"Nothing is left to pay of {invoice}.")
    return Panel(
        key="pay",
        title="Left to pay",
        figure=Money(invoice.left_to_pay, invoice.currency),
        sentences=sentences,
        buttons=buttons,
        links=[*links, Link(f"Back to invoice {back.text}", back.url)],
    )


def _button(invoice: Any, text: str, action: str) -> PostButton:
    return PostButton(text, PAY.url(document_id=invoice.pk), [("action", action)])


def _ways(request: HttpRequest, invoice: Any) -> tuple[list[str], list[PostButton]]:
    """The ways to pay, with what each does."""
    sentences, buttons = [], []
    reach, code = reach_in(request), invoice.payer.code
    left = money_label(invoice.left_to_pay, invoice.currency)
    if invoice.payer_id in reach.agencies(Action.CHARGE_METHODS):
        methods = PaymentMethod.objects.filter(payer=invoice.payer_id, removed_at=None)
        methods = without_secrets(methods.select_related("processor"))
        if method := methods.first():
            sentences.append(f"{left} is charged to {method}, all that is left to pay.")
            buttons.append(_button(invoice, f"Charge {left} to {method}", "charge"))
    if has_checkout():
        sentences.append(
            f"On the payment page you enter a card, which is saved for {code} and charged"
            " for its next invoices, too."
        )
        buttons.append(_button(invoice, "Open a payment page", "checkout"))
    return sentences or [BY_TRANSFER], buttons
