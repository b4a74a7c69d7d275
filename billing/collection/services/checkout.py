"""Opening checkout pages: rows first, then the call to the processor, then its response.

A page on which an invoice is paid is a payment attempt: while it is open, nothing else
charges the invoice. Without a response nobody has its URL; the same idempotency key
opens the same page again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage, ProcessorCustomer
from billing.collection.services.attempts import (
    ChargeUnderWay,
    build_attempt,
    create_attempts,
    get_amount_due,
)
from billing.collection.services.charges import CHARGES, build_charge
from billing.collection.services.checkout_closing import (
    PageNotOpened,
    ProcessorUnreachable,
    close_out_of_reach_page,
    get_checkout_client,
)
from billing.collection.services.dispatch import Clock, ProcessorCall, record_outcome
from billing.collection.services.holds import require_collectable
from billing.invoicing.models.documents import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.processors.domain.port import (
    CheckoutRequest,
    CheckoutSession,
    CustomerRequest,
    NotDone,
    ProcessorOutcome,
    SupportsCheckout,
    Unreachable,
)
from billing.processors.models import PaymentProcessor
from billing.processors.services.registry import ConnectHoster, NoPages, connect_hoster
from billing.webhooks.services.endpoints import address_policy
from core.errors import Refusal
from core.outbound.addresses import NotAllowed, check_url
from seats.models import Agency

Kind = CheckoutPage.Kind
State = PaymentAttempt.State
MIN_TIME_TO_REOPEN = timedelta(
    hours=1
)  # processors refuse pages open less than half an hour


class BadReturnUrl(Refusal):
    """The return URL of the checkout page is missing or not allowed.

    Send a valid `return_url`; `detail` says what is wrong with this one.
    """

    code = "bad_return_url"


@dataclass(frozen=True, slots=True)
class PageOptions:
    """Who opens a page, where the payer goes afterwards, and at which processor.

    The page is closed once the `owner`, the agency that opens it, no longer reaches the
    payer. Without a `processor`, the only one with checkout pages is used.
    """

    actor: str
    return_url: str = ""
    processor: PaymentProcessor | None = None
    owner: Agency | None = None


def open_setup_page(
    *,
    payer: Agency,
    options: PageOptions,
    clock: Clock,
    connect: ConnectHoster = connect_hoster,
) -> CheckoutPage:
    """Open a page on which a payer saves a payment method; each call opens another.

    Raises BadReturnUrl, NoPages, PageNotOpened, ProcessorUnreachable.
    """
    processor, return_url, host = _resolve_options(options, connect)
    customer = _ensure_customer(payer, processor, host, clock)
    now = clock()
    page = CheckoutPage.objects.create(
        kind=Kind.SETUP,
        payer=payer,
        owner=options.owner,
        processor=processor,
        actor=options.actor,
        customer=customer,
        return_url=return_url,
        **_page_times(now),
    )
    page.refresh_from_db()
    try:
        opened = host.open_page(_request(page))
    except NotDone as error:
        raise PageNotOpened.because(processor, error) from error
    except Unreachable as error:
        raise ProcessorUnreachable.because(processor, error) from error
    _store_opened(page, opened)
    return page


def open_payment_page(
    *,
    invoice: Document,
    options: PageOptions,
    clock: Clock,
    connect: ConnectHoster = connect_hoster,
) -> CheckoutPage:
    """Open a page to pay all that is owed on an invoice, or return the one that is open.

    A page of an agency that no longer reaches the payer is closed first. Repeating is
    safe. Raises BadReturnUrl, NoPages, NothingToCharge, PageNotOpened,
    ProcessorUnreachable, ChargeUnderWay while something else may charge the invoice,
    and CollectionOnHold, even if a page is already open.
    """
    require_collectable(invoice, now=clock())
    processor, return_url, host = _resolve_options(options, connect)
    customer = _ensure_customer(invoice.payer, processor, host, clock)
    close_out_of_reach_page(invoice=invoice, clock=clock, connect=connect)
    now = clock()
    with transaction.atomic(durable=True):
        lock_accounts([invoice.payer_id])
        page = _get_open_page(invoice, now)
        if page is None:
            page = _create_page(invoice, processor, options, now, customer, return_url)
        if page.url:
            return page
        call = _claim_call(page, now)
    if page.processor_id != processor.pk:
        host = get_checkout_client(page.processor, connect)
    return _open_page(page, call, host, clock)


def _resolve_options(
    options: PageOptions, connect: ConnectHoster
) -> tuple[PaymentProcessor, str, SupportsCheckout]:
    """The processor, the return URL and the processor's client."""
    processor = options.processor or _get_only_processor()
    return_url = options.return_url or settings.CHARGES["RETURN_URL"]
    if not return_url:
        raise BadReturnUrl(
            "A return URL is required. Send `return_url`, or set PAYMENT_RETURN_URL.",
            field="return_url",
        )
    try:
        check_url(return_url, address_policy())
    except NotAllowed as error:
        raise BadReturnUrl(str(error), field="return_url") from error
    return processor, return_url, get_checkout_client(processor, connect)


def _get_only_processor() -> PaymentProcessor:
    processors = PaymentProcessor.objects.filter(kind=PaymentProcessor.Kind.STRIPE)[:2]
    if len(processors) != 1:
        message = (
            "Several processors have checkout pages. Choose a processor."
            if processors
            else "No processor has checkout pages. Add a Stripe processor first."
        )
        raise NoPages(message, field="processor")
    return processors[0]


def _ensure_customer(
    payer: Agency, processor: PaymentProcessor, host: SupportsCheckout, clock: Clock
) -> str:
    """The processor's id of the payer, created there once if needed."""
    with transaction.atomic(durable=True):
        rows = ProcessorCustomer.objects.filter(payer=payer, processor=processor)
        rows.get_or_create(defaults={"payer": payer, "processor": processor})
        customer = rows.get()
        rows.filter(sent_at=None).update(sent_at=clock())
    if customer.reference:
        return customer.reference
    request = CustomerRequest(customer.key, payer.code, customer.sent_at)
    try:
        reference = host.open_customer(request)
    except NotDone as error:
        raise PageNotOpened.because(processor, error) from error
    except Unreachable as error:
        raise ProcessorUnreachable.because(processor, error) from error
    rows.filter(reference="").update(reference=reference)
    return rows.get().reference


def _get_open_page(invoice: Document, now: datetime) -> CheckoutPage | None:
    """The page of the open attempt, to be returned or opened again; None without one.

    Raises ChargeUnderWay while another call is in progress, or if the page is closed or
    about to expire.
    """
    attempts = PaymentAttempt.objects.select_for_update(of=("self",), no_key=True)
    attempt = attempts.filter(invoice=invoice, state__in=PaymentAttempt.OPEN).first()
    if attempt is None:
        return None
    pages = CheckoutPage.objects.select_related(
        "processor", "payer", "attempt__invoice__payer", "attempt__processor"
    )
    page = pages.filter(attempt=attempt).first()
    in_progress = attempt.state == State.SENT and attempt.is_leased(now)
    is_expiring = (
        page is not None
        and now >= page.expires_at - (not page.url) * MIN_TIME_TO_REOPEN
    )
    if page is None or page.closed_at or in_progress or is_expiring:
        raise ChargeUnderWay(
            f"A charge of {invoice} is in progress. Try again when it has ended.",
            field="invoice",
        )
    return page


def _create_page(
    invoice: Document,
    processor: PaymentProcessor,
    options: PageOptions,
    now: datetime,
    customer: str,
    return_url: str,
) -> CheckoutPage:
    attempt = build_attempt(get_amount_due(invoice, now=now), options.actor, now)
    attempt.processor = processor
    attempt = create_attempts([attempt], now)[0]
    attempt.invoice = invoice
    page = CheckoutPage.objects.create(
        kind=Kind.PAYMENT,
        payer=invoice.payer,
        processor=processor,
        attempt=attempt,
        owner=options.owner,
        actor=options.actor,
        customer=customer,
        return_url=return_url,
        **_page_times(now),
    )
    page.refresh_from_db(fields=["public_id"])
    return page


def _claim_call(page: CheckoutPage, now: datetime) -> ProcessorCall[PaymentAttempt]:
    """Count the call that opens a page, before it is made."""
    attempt = page.attempt
    assert attempt
    looks_up = attempt.state != State.CREATED
    lease = settings.CHARGES["LEASE"]
    attempt.begin_attempt(now=now, lease=lease, sends=True, looks_up=False)
    attempt.next_attempt_at, page.sent_until = now, now + lease
    attempt.save(update_fields=[*attempt.claim_fields, "next_attempt_at"])
    page.save(update_fields=["sent_until"])
    return ProcessorCall(CHARGES, attempt, looks_up, sends=True)


def _open_page(
    page: CheckoutPage,
    call: ProcessorCall[PaymentAttempt],
    host: SupportsCheckout,
    clock: Clock,
) -> CheckoutPage:
    try:
        if clock() >= page.sent_until:
            raise Unreachable("internal error: the call took longer than its lease")
        opened = host.open_page(_request(page))
    except NotDone as error:
        # A refusal proves nothing about earlier calls.
        kind = "unknown" if call.looks_up else "failed"
        outcome = ProcessorOutcome(kind, reason=str(error))  # type: ignore[arg-type]
        record_outcome(call=call, outcome=outcome, now=clock())
        raise PageNotOpened.because(page.processor, error) from error
    except Unreachable as error:
        outcome = ProcessorOutcome("unknown", reason=str(error))
        record_outcome(call=call, outcome=outcome, now=clock())
        raise ProcessorUnreachable.because(page.processor, error) from error
    _store_opened(page, opened)
    outcome = ProcessorOutcome("pending", reason="the page is open")
    record_outcome(call=call, outcome=outcome, now=clock())
    return page


def _request(page: CheckoutPage) -> CheckoutRequest:
    attempt = page.attempt
    return CheckoutRequest(
        key=attempt.public_id if attempt else page.public_id,
        payer=page.payer.code,
        customer=page.customer,
        currency=page.payer.currency,
        return_url=page.return_url,
        expires_at=page.expires_at,
        charge=build_charge(attempt) if attempt else None,
    )


def _store_opened(page: CheckoutPage, opened: CheckoutSession) -> None:
    """Store the URL. Raises ProcessorUnreachable if the page was given up meanwhile."""
    rows = CheckoutPage.objects.filter(pk=page.pk, closed_at=None)
    if not rows.update(url=opened.url, reference=opened.reference):
        raise ProcessorUnreachable(
            "The processor responded too late. Request the page again."
        )
    page.url, page.reference = opened.url, opened.reference


def _page_times(now: datetime) -> dict[str, datetime]:
    limits = settings.CHARGES
    return {
        "opened_at": now,
        "expires_at": now + limits["PAGE_OPEN"],
        "sent_until": now + limits["LEASE"],
    }
