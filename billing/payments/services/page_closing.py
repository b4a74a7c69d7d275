"""Closing pages of processors: by hand, and when their owner does not reach the payer."""

import logging
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.db.models import F, Q, QuerySet

from billing.invoicing.models import Document
from billing.payments.hosting import HostedPage
from billing.payments.models import PaymentAttempt, PaymentProcessor
from billing.payments.processors.port import SupportsCheckout, Unreachable
from billing.payments.services.calling import Clock
from billing.payments.services.connecting import ConnectHoster, connect_hoster
from billing.payments.services.outcomes import take_outcome
from billing.payments.services.requesting import ChargeUnderWay
from billing.webhooks.ending import access_ended
from billing.webhooks.services import publish
from seats.access import out_of_reach
from seats.errors import Refusal

logger = logging.getLogger(__name__)


class PageNotOpened(Refusal):
    code = "page_not_opened"


class ProcessorUnreachable(Refusal):
    code = "processor_unreachable"
    status = 503


def close_payment_page(
    *, page: HostedPage, clock: Clock, connect: ConnectHoster = connect_hoster
) -> PaymentAttempt:
    """Close a page at its processor, and record the outcome of its attempt.

    Its attempt has failed only if the processor says that the page is over. Again is
    harmless. Raises ChargeUnderWay while it is not known whether the page is there,
    ProcessorUnreachable.
    """
    attempt = page.attempt
    assert attempt  # of a page that is paid on
    if attempt.state not in PaymentAttempt.OPEN:
        return attempt
    if not page.reference:
        raise ChargeUnderWay(
            "The processor has not confirmed the page yet. Try again in a minute."
        )
    host = connected(page.processor, connect)
    try:
        outcome = host.close_page(page.reference)
    except Unreachable as error:
        raise ProcessorUnreachable(str(error)) from error
    return take_outcome(attempt=attempt, outcome=outcome, now=clock())


def end_pages(*, clock: Clock, connect: ConnectHoster = connect_hoster) -> int:
    """Close open pages whose owner does not reach the payer any more; how many.

    Nobody saves a method or pays on them from then on, and both agencies get
    `access.ended`. Earlier payments are recorded. If a processor cannot be reached, the
    next call continues. Safe to repeat, and to run at once.
    """
    open_ones = HostedPage.objects.filter(
        Q(attempt=None) | Q(attempt__state__in=PaymentAttempt.OPEN),
        owner__isnull=False,
        closed_at=None,
        expires_at__gt=clock(),
    ).exclude(reference="")
    return _end(open_ones.exclude(owner=F("payer")), clock, connect)


def end_unopened_pages(*, now: datetime) -> int:
    """Give up setup pages whose opening ended without an answer; how many.

    Their process died or got no answer, so nobody has been given a URL and nobody opens
    them again: the next request opens another page. What the processor may have opened
    expires there. Safe to repeat.
    """
    unopened = HostedPage.objects.filter(
        attempt=None, reference="", closed_at=None, sent_until__lte=now
    )
    return unopened.update(closed_at=now)


def close_out_of_reach(
    *, invoice: Document, clock: Clock, connect: ConnectHoster
) -> None:
    """Close the page of an invoice if its owner does not reach the payer any more.

    So that nobody is sent to a page, and back to a URL, of a former upline. Safe to repeat.
    """
    pages = HostedPage.objects.filter(
        attempt__invoice=invoice,
        attempt__state__in=PaymentAttempt.OPEN,
        owner__isnull=False,
        closed_at=None,
    ).exclude(reference="")
    _end(pages.exclude(owner=F("payer")), clock, connect)


def connected(processor: PaymentProcessor, connect: ConnectHoster) -> SupportsCheckout:
    """What is behind a processor. Raises NoPages, PageNotOpened."""
    try:
        return connect(processor)
    except InvalidToken as error:
        message = f"The secret of {processor} cannot be read with WEBHOOK_SECRETS_KEY."
        raise PageNotOpened(message, field="processor") from error


def _end(pages: QuerySet[HostedPage], clock: Clock, connect: ConnectHoster) -> int:
    """Close those of these pages whose owner does not reach the payer any more."""
    lapsed = out_of_reach(pages.values_list("owner", "payer").distinct(), now=clock())
    if not lapsed:
        return 0
    related = pages.select_related("payer", "owner", "processor")
    locked = related.select_related("attempt__invoice__payer", "attempt__processor")
    ended = 0
    for page in locked.filter(payer__in={payer for _, payer in lapsed}):
        if (page.owner_id, page.payer_id) in lapsed:
            ended += _end_page(page, clock, connect)
    return ended


def _end_page(page: HostedPage, clock: Clock, connect: ConnectHoster) -> bool:
    assert page.owner
    try:
        if page.attempt:
            close_payment_page(page=page, clock=clock, connect=connect)
        else:
            connected(page.processor, connect).close_page(page.reference)
    except (ProcessorUnreachable, Unreachable, PageNotOpened) as error:
        logger.warning("page %s of %s is not closed: %s", page.pk, page.owner, error)
        return False
    with transaction.atomic(durable=True):
        rows = HostedPage.objects.filter(pk=page.pk, closed_at=None)
        if not rows.update(closed_at=clock()):
            return False
        events = access_ended(
            "payment_page", page.public_id, agency=page.payer, owner=page.owner
        )
        publish(events, now=clock())
    return True
