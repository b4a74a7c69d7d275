"""Closing checkout pages: on request, and once their owner cannot reach the payer."""

import logging
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.db.models import F, Q, QuerySet

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.services.attempts import ChargeUnderWay
from billing.collection.services.dispatch import Clock
from billing.collection.services.outcomes import apply_charge_outcome
from billing.invoicing.models.documents import Document
from billing.processors.domain.port import NotDone, SupportsCheckout, Unreachable
from billing.processors.models import PaymentProcessor
from billing.processors.services.registry import ConnectHoster, connect_hoster
from billing.webhooks.services.access import access_ended
from billing.webhooks.services.outbox import publish
from core.errors import Kind, Refusal
from seats.access.queries import out_of_reach

logger = logging.getLogger(__name__)


class PageNotOpened(Refusal):
    """The processor refused to open the checkout page.

    Read the reason in `detail`, and check the keys of the processor.
    """

    code = "page_not_opened"

    @classmethod
    def because(cls, processor: PaymentProcessor, error: NotDone) -> "PageNotOpened":
        return cls(f"Processor {processor} refused to open the page ({error}).")


class ProcessorUnreachable(Refusal):
    """The payment processor did not respond, or could not complete the request.

    Try again in a minute.
    """

    code = "processor_unreachable"
    kind = Kind.UNAVAILABLE

    @classmethod
    def because(
        cls, processor: PaymentProcessor, error: Unreachable
    ) -> "ProcessorUnreachable":
        return cls(
            f"Processor {processor} could not complete the request ({error})."
            " Try again in a minute."
        )


def close_payment_page(
    *, page: CheckoutPage, clock: Clock, connect: ConnectHoster = connect_hoster
) -> PaymentAttempt:
    """Close a checkout page at its processor, and record the outcome of its attempt.

    The attempt fails only if the processor confirms that the page has ended. Repeating
    is harmless. Raises ChargeUnderWay while the processor has not confirmed the page,
    NoPages, PageNotOpened, ProcessorUnreachable.
    """
    attempt = page.attempt
    assert attempt  # payment pages always have one
    if attempt.state not in PaymentAttempt.OPEN:
        return attempt
    if not page.reference:
        raise ChargeUnderWay(
            "The processor has not confirmed the checkout page yet."
            " Try again in a minute."
        )
    host = get_checkout_client(page.processor, connect)
    try:
        outcome = host.close_page(page.reference)
    except Unreachable as error:
        raise ProcessorUnreachable.because(page.processor, error) from error
    return apply_charge_outcome(attempt=attempt, outcome=outcome, now=clock())


def close_out_of_reach_pages(
    *, clock: Clock, connect: ConnectHoster = connect_hoster
) -> int:
    """Close open checkout pages whose owner no longer reaches the payer; return how many.

    Nobody saves a method or pays on them from then on, and both agencies get
    `access.ended`. Earlier payments are recorded. If a processor cannot be reached, the
    next call continues. Safe to run twice, and concurrently.
    """
    open_pages = CheckoutPage.objects.filter(
        Q(attempt=None) | Q(attempt__state__in=PaymentAttempt.OPEN),
        owner__isnull=False,
        closed_at=None,
        expires_at__gt=clock(),
    ).exclude(reference="")
    return _close_pages(open_pages.exclude(owner=F("payer")), clock, connect)


def give_up_unopened_pages(*, now: datetime) -> int:
    """Give up setup pages that the processor never confirmed; return how many.

    Their process died or got no response, so nobody has received a URL, and the next
    request opens another page. A page that the processor did open expires there. Safe
    to repeat.
    """
    unopened = CheckoutPage.objects.filter(
        attempt=None, reference="", closed_at=None, sent_until__lte=now
    )
    return unopened.update(closed_at=now)


def close_out_of_reach_page(
    *, invoice: Document, clock: Clock, connect: ConnectHoster
) -> None:
    """Close the checkout page of an invoice if its owner no longer reaches the payer.

    This keeps payers from the page and return URL of a former upline. Safe to repeat.
    """
    pages = CheckoutPage.objects.filter(
        attempt__invoice=invoice,
        attempt__state__in=PaymentAttempt.OPEN,
        owner__isnull=False,
        closed_at=None,
    ).exclude(reference="")
    _close_pages(pages.exclude(owner=F("payer")), clock, connect)


def get_checkout_client(
    processor: PaymentProcessor, connect: ConnectHoster
) -> SupportsCheckout:
    """The client of a processor that has pages. Raises NoPages, PageNotOpened."""
    try:
        return connect(processor)
    except InvalidToken as error:
        message = (
            f"The stored secret of processor {processor} cannot be decrypted with"
            " WEBHOOK_SECRETS_KEY."
        )
        raise PageNotOpened(message, field="processor") from error


def _close_pages(
    pages: QuerySet[CheckoutPage], clock: Clock, connect: ConnectHoster
) -> int:
    """Close those of these pages whose owner no longer reaches the payer."""
    lapsed = out_of_reach(pages.values_list("owner", "payer").distinct(), now=clock())
    if not lapsed:
        return 0
    related = pages.select_related("payer", "owner", "processor")
    locked = related.select_related("attempt__invoice__payer", "attempt__processor")
    closed = 0
    for page in locked.filter(payer__in={payer for _, payer in lapsed}):
        if (page.owner_id, page.payer_id) in lapsed:
            closed += _close_lapsed_page(page, clock, connect)
    return closed


def _close_lapsed_page(
    page: CheckoutPage, clock: Clock, connect: ConnectHoster
) -> bool:
    assert page.owner
    try:
        if page.attempt:
            close_payment_page(page=page, clock=clock, connect=connect)
        else:
            get_checkout_client(page.processor, connect).close_page(page.reference)
    except (ProcessorUnreachable, Unreachable, PageNotOpened) as error:
        logger.warning(
            "Checkout page %s of agency %s was not closed: %s",
            page.public_id,
            page.owner,
            error,
        )
        return False
    with transaction.atomic(durable=True):
        rows = CheckoutPage.objects.filter(pk=page.pk, closed_at=None)
        if not rows.update(closed_at=clock()):
            return False
        events = access_ended(
            "payment_page", page.public_id, agency=page.payer, owner=page.owner
        )
        publish(*events, now=clock())
    return True
