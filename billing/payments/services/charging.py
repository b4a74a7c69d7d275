"""Charging what is due, and asking what became of it."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import ClassVar

from django.db.models import QuerySet

from billing.invoicing.models import Document
from billing.payments.hosting import HostedPage
from billing.payments.models import PaymentAttempt
from billing.payments.processors.port import (
    ChargeRequest,
    ProcessorOutcome,
    SupportsCharges,
    SupportsCheckout,
    Unreachable,
)
from billing.payments.queries.methods import spent_methods
from billing.payments.services.calling import Clock, Connect, call_due, sent_until
from billing.payments.services.connecting import connect
from billing.payments.services.holds import find_on_hold
from billing.payments.services.outcomes import ChargeRecords
from billing.payments.services.requesting import AUTOPAY

OWED = {Document.Status.OPEN, Document.Status.UNCOLLECTIBLE}


class ChargeCalls(ChargeRecords):
    """How processors are asked to charge."""

    payer_path: ClassVar[str] = "invoice__payer"

    def due(self) -> QuerySet[PaymentAttempt]:
        return self.rows().select_related("method", "page")

    def pointless(self, attempts: Sequence[PaymentAttempt]) -> Mapping[int, str]:
        """Nobody who looked at it asks for what is charged as it is issued."""
        issued = [one for one in attempts if one.actor == AUTOPAY]
        spent = spent_methods([one.method_id for one in issued if one.method_id])
        reasons = {
            one.pk: "its method was declined for good, or disputed"
            for one in issued
            if one.method_id in spent
        }
        return reasons | {
            attempt.pk: "nothing is owed any more"
            for attempt in attempts
            if attempt.invoice.status not in OWED
        }

    def on_hold(
        self, attempts: Sequence[PaymentAttempt], now: datetime
    ) -> AbstractSet[int]:
        """Those whose invoice may not be collected now; a page sends nothing here."""
        calls = [attempt for attempt in attempts if page_of(attempt) is None]
        held = find_on_hold({attempt.invoice_id for attempt in calls}, now=now)
        return {attempt.pk for attempt in calls if attempt.invoice_id in held}

    def may_send(self, attempt: PaymentAttempt) -> bool:
        """A page is opened only for somebody who waits for it."""
        return page_of(attempt) is None

    def look_up(
        self, processor: SupportsCharges, attempt: PaymentAttempt, at: datetime
    ) -> ProcessorOutcome | None:
        page = page_of(attempt)
        if page and page.reference and attempt.invoice.status not in OWED:
            return _closed(processor, page.reference)
        return processor.look_up(charge_of(attempt), at=at)

    def send(
        self, processor: SupportsCharges, attempt: PaymentAttempt, at: datetime
    ) -> ProcessorOutcome:
        return processor.charge(charge_of(attempt), at=at)


CHARGES = ChargeCalls()


def charge_due(*, clock: Clock, connect: Connect = connect) -> int:
    """Make the charges that are due, and ask about others; how many calls.

    Safe to run twice, and at once.
    """
    return call_due(CHARGES, clock=clock, connect=connect)


def charge_of(attempt: PaymentAttempt) -> ChargeRequest:
    """An attempt as processors are told of it; what goes with it must be at hand."""
    method, page = attempt.method, page_of(attempt)
    customer = method.customer if method else page.customer if page else ""
    return ChargeRequest(
        key=attempt.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        payer=attempt.invoice.payer.code,
        invoice=attempt.invoice.label,
        requested_at=attempt.requested_at,
        lookups=attempt.lookups,
        customer=customer,
        method=method.reference if method else "",
        sent_until=page.sent_until if page else sent_until(attempt),
        page=page.reference if page else None,
    )


def hasten_pages(*, document_ids: Collection[int], now: datetime) -> None:
    """Look at the open pages of invoices that moved with the next sweep.

    A page of what is paid is closed, so that nobody pays twice.
    """
    PaymentAttempt.objects.filter(
        invoice__in=document_ids, page__isnull=False, state="pending"
    ).update(due_at=now)


def page_of(attempt: PaymentAttempt) -> HostedPage | None:
    """The page that an attempt is paid on, if there is one."""
    return getattr(attempt, "page", None)


def _closed(processor: SupportsCharges, reference: str) -> ProcessorOutcome | None:
    """What became of a page that is closed, if the processor can say so now."""
    assert isinstance(processor, SupportsCheckout)  # it has opened the page
    try:
        return processor.close_page(reference)
    except Unreachable:
        return None
