"""Opening pages of processors: rows first, then the call, then what came of it.

A page on which an invoice is paid is an attempt: it holds the invoice while it is open.
Without an answer nobody has its URL; the same key opens the same page again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from billing.invoicing.models import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.payments.hosting import HostedPage, ProcessorCustomer
from billing.payments.models import PaymentAttempt, PaymentProcessor
from billing.payments.processors.port import (
    CheckoutRequest,
    CheckoutSession,
    CustomerRequest,
    NotDone,
    ProcessorOutcome,
    SupportsCheckout,
    Unreachable,
)
from billing.payments.services.calling import Call, Clock, record_outcome
from billing.payments.services.charging import CHARGES, charge_of
from billing.payments.services.connecting import (
    ConnectHoster,
    NoPages,
    connect_hoster,
)
from billing.payments.services.holds import require_collectable
from billing.payments.services.page_closing import (
    PageNotOpened,
    ProcessorUnreachable,
    close_out_of_reach,
    connected,
)
from billing.payments.services.requesting import (
    ChargeUnderWay,
    begin_attempts,
    new_attempt,
    what_to_charge,
)
from billing.webhooks.addresses import NotAllowed, check_url
from billing.webhooks.endpoints import address_policy
from seats.errors import Refusal
from seats.models import Agency

Kind = HostedPage.Kind
State = PaymentAttempt.State
LAST_HOUR = timedelta(hours=1)  # they refuse pages that are open less than half of one


class BadReturnUrl(Refusal):
    code = "bad_return_url"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants a page, where the payer goes afterwards, and by which processor.

    The page ends once the `owner`, the agency that opens it, does not reach the payer.
    """

    actor: str
    return_url: str = ""
    processor: PaymentProcessor | None = None
    owner: Agency | None = None


def open_setup_page(
    *,
    payer: Agency,
    asked: Asked,
    clock: Clock,
    connect: ConnectHoster = connect_hoster,
) -> HostedPage:
    """A page on which a payer saves a method; each time another one.

    Raises BadReturnUrl, NoPages, PageNotOpened, ProcessorUnreachable.
    """
    processor, return_url, host = _prepared(asked, connect)
    customer = _customer_of(payer, processor, host, clock)
    now = clock()
    page = HostedPage.objects.create(
        kind=Kind.SETUP,
        payer=payer,
        owner=asked.owner,
        processor=processor,
        actor=asked.actor,
        customer=customer,
        return_url=return_url,
        **_times(now),
    )
    page.refresh_from_db()
    try:
        opened = host.open_page(_request(page))
    except NotDone as error:
        raise PageNotOpened(str(error)) from error
    except Unreachable as error:
        raise ProcessorUnreachable(str(error)) from error
    _keep(page, opened)
    return page


def open_payment_page(
    *,
    invoice: Document,
    asked: Asked,
    clock: Clock,
    connect: ConnectHoster = connect_hoster,
) -> HostedPage:
    """A page on which all that is owed on an invoice is paid; the one that is open.

    One that an agency opened which does not reach the payer any more is closed first.
    Raises BadReturnUrl, NoPages, NothingToCharge, PageNotOpened, ProcessorUnreachable,
    ChargeUnderWay while something else may charge it, and CollectionOnHold, also where
    a page is open already.
    """
    require_collectable(invoice, now=clock())
    processor, return_url, host = _prepared(asked, connect)
    customer = _customer_of(invoice.payer, processor, host, clock)
    close_out_of_reach(invoice=invoice, clock=clock, connect=connect)
    now = clock()
    with transaction.atomic(durable=True):
        lock_accounts([invoice.payer_id])
        page = _open_one(invoice, now)
        if page is None:
            page = _begin(invoice, processor, asked, now, customer, return_url)
        if page.url:
            return page
        call = _claim(page, now)
    if page.processor_id != processor.pk:
        host = connected(page.processor, connect)
    return _opened(page, call, host, clock)


def _prepared(
    asked: Asked, connect: ConnectHoster
) -> tuple[PaymentProcessor, str, SupportsCheckout]:
    """The processor, the URL to return to, and what is behind the processor."""
    processor = asked.processor or _only_one()
    return_url = asked.return_url or settings.CHARGES["RETURN_URL"]
    if not return_url:
        said = "Name the page to return to, or set PAYMENT_RETURN_URL."
        raise BadReturnUrl(said, field="return_url")
    try:
        check_url(return_url, address_policy())
    except NotAllowed as error:
        raise BadReturnUrl(str(error), field="return_url") from error
    return processor, return_url, connected(processor, connect)


def _only_one() -> PaymentProcessor:
    found = PaymentProcessor.objects.filter(kind=PaymentProcessor.Kind.STRIPE)[:2]
    if len(found) != 1:
        said = "Name a processor." if found else "No processor has pages."
        raise NoPages(said, field="processor")
    return found[0]


def _customer_of(
    payer: Agency, processor: PaymentProcessor, host: SupportsCheckout, clock: Clock
) -> str:
    """The payer as the processor knows it, made there if need be, once."""
    with transaction.atomic(durable=True):
        rows = ProcessorCustomer.objects.filter(payer=payer, processor=processor)
        rows.get_or_create(defaults={"payer": payer, "processor": processor})
        known = rows.get()
        rows.filter(sent_at=None).update(sent_at=clock())
    if known.reference:
        return known.reference
    request = CustomerRequest(known.key, payer.code, known.sent_at)
    try:
        reference = host.open_customer(request)
    except NotDone as error:
        raise PageNotOpened(str(error)) from error
    except Unreachable as error:
        raise ProcessorUnreachable(str(error)) from error
    rows.filter(reference="").update(reference=reference)
    return rows.get().reference


def _open_one(invoice: Document, now: datetime) -> HostedPage | None:
    """The page of the attempt that is open, to be given out or opened once more.

    Raises ChargeUnderWay where another call is at it, or nobody may begin one.
    """
    attempts = PaymentAttempt.objects.select_for_update(of=("self",), no_key=True)
    attempt = attempts.filter(invoice=invoice, state__in=PaymentAttempt.OPEN).first()
    if attempt is None:
        return None
    pages = HostedPage.objects.select_related(
        "processor", "payer", "attempt__invoice__payer", "attempt__processor"
    )
    page = pages.filter(attempt=attempt).first()
    at_work = attempt.state == State.SENT and now < attempt.due_at
    over = page is not None and now >= page.expires_at - (not page.url) * LAST_HOUR
    if page is None or page.closed_at or at_work or over:
        raise ChargeUnderWay(f"A charge of {invoice} is under way.", field="invoice")
    return page


def _begin(
    invoice: Document,
    processor: PaymentProcessor,
    asked: Asked,
    now: datetime,
    customer: str,
    return_url: str,
) -> HostedPage:
    attempt = new_attempt(what_to_charge(invoice, now=now), asked.actor, now)
    attempt.processor = processor
    begun = begin_attempts([attempt], now)[0]
    begun.invoice = invoice
    page = HostedPage.objects.create(
        kind=Kind.PAYMENT,
        payer=invoice.payer,
        processor=processor,
        attempt=begun,
        owner=asked.owner,
        actor=asked.actor,
        customer=customer,
        return_url=return_url,
        **_times(now),
    )
    page.refresh_from_db(fields=["public_id"])
    return page


def _claim(page: HostedPage, now: datetime) -> Call[PaymentAttempt]:
    """Count a call that opens a page, before it is made."""
    attempt = page.attempt
    assert attempt
    asks = attempt.state != State.CREATED
    if attempt.state in {State.CREATED, State.SENT}:
        attempt.state = State.UNKNOWN if asks else State.SENT
        attempt.changed_at = now
    attempt.first_sent_at = attempt.first_sent_at or now
    attempt.sends += 1
    attempt.due_at = page.sent_until = now + settings.CHARGES["LEASE"]
    attempt.save(
        update_fields=["state", "changed_at", "first_sent_at", "sends", "due_at"]
    )
    page.save(update_fields=["sent_until"])
    return Call(CHARGES, attempt, asks, sends=True)


def _opened(
    page: HostedPage, call: Call[PaymentAttempt], host: SupportsCheckout, clock: Clock
) -> HostedPage:
    try:
        if clock() >= page.sent_until:
            raise Unreachable("ours: it took longer than its lease")
        opened = host.open_page(_request(page))
    except NotDone as error:
        # A refusal proves nothing about the calls before it.
        kind = "unknown" if call.asks else "failed"
        outcome = ProcessorOutcome(kind, reason=str(error))  # type: ignore[arg-type]
        record_outcome(call=call, outcome=outcome, now=clock())
        raise PageNotOpened(str(error)) from error
    except Unreachable as error:
        outcome = ProcessorOutcome("unknown", reason=str(error))
        record_outcome(call=call, outcome=outcome, now=clock())
        raise ProcessorUnreachable(str(error)) from error
    _keep(page, opened)
    outcome = ProcessorOutcome("pending", reason="the page is open")
    record_outcome(call=call, outcome=outcome, now=clock())
    return page


def _request(page: HostedPage) -> CheckoutRequest:
    attempt = page.attempt
    return CheckoutRequest(
        key=attempt.public_id if attempt else page.public_id,
        payer=page.payer.code,
        customer=page.customer,
        currency=page.payer.currency,
        return_url=page.return_url,
        expires_at=page.expires_at,
        charge=charge_of(attempt) if attempt else None,
    )


def _keep(page: HostedPage, opened: CheckoutSession) -> None:
    """Raises ProcessorUnreachable where the page was given up before the answer came."""
    rows = HostedPage.objects.filter(pk=page.pk, closed_at=None)
    if not rows.update(url=opened.url, reference=opened.reference):
        raise ProcessorUnreachable("The processor answered too late. Ask again.")
    page.url, page.reference = opened.url, opened.reference


def _times(now: datetime) -> dict[str, datetime]:
    chosen = settings.CHARGES
    return {
        "opened_at": now,
        "expires_at": now + chosen["PAGE_OPEN"],
        "sent_until": now + chosen["LEASE"],
    }
