"""Sending payment attempts that are due, and looking up those that are open."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import ClassVar

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.queries.methods import unusable_methods
from billing.collection.services.attempts import AUTOPAY
from billing.collection.services.dispatch import (
    Clock,
    Connect,
    make_due_calls,
    send_deadline,
)
from billing.collection.services.holds import find_on_hold
from billing.collection.services.outcomes import ChargeRecorder
from billing.invoicing.models.documents import Document
from billing.processors.domain.port import (
    ChargeRequest,
    ProcessorOutcome,
    SupportsCharges,
    SupportsCheckout,
    Unreachable,
)
from billing.processors.services.registry import connect
from core.queue.models import QueueQuerySet

OWED = {Document.State.OPEN, Document.State.UNCOLLECTIBLE}


class ChargeCaller(ChargeRecorder):
    """How payment attempts are sent to processors."""

    payer_path: ClassVar[str] = "invoice__payer"

    def rows_for_calls(self) -> QueueQuerySet[PaymentAttempt]:
        return self.rows().select_related("method", "page")

    def cancel_reasons(self, attempts: Sequence[PaymentAttempt]) -> Mapping[int, str]:
        """Cancel if nothing is owed, or if autopay would use an unusable method.

        Attempts that a person requested may use such a method.
        """
        automatic = [attempt for attempt in attempts if attempt.actor == AUTOPAY]
        unusable = unusable_methods(
            [attempt.method_id for attempt in automatic if attempt.method_id]
        )
        reasons = {
            attempt.pk: "the payment method was declined for good or lost a dispute"
            for attempt in automatic
            if attempt.method_id in unusable
        }
        return reasons | {
            attempt.pk: "nothing is owed on the invoice any more"
            for attempt in attempts
            if attempt.invoice.state not in OWED
        }

    def on_hold(
        self, attempts: Sequence[PaymentAttempt], now: datetime
    ) -> AbstractSet[int]:
        """Attempts whose invoice may not be collected now, except on checkout pages."""
        calls = [attempt for attempt in attempts if get_page(attempt) is None]
        held = find_on_hold({attempt.invoice_id for attempt in calls}, now=now)
        return {attempt.pk for attempt in calls if attempt.invoice_id in held}

    def may_send(self, attempt: PaymentAttempt) -> bool:
        """Whether a sweep may send it: checkout pages are opened by requests only."""
        return get_page(attempt) is None

    def look_up(
        self, processor: SupportsCharges, attempt: PaymentAttempt, at: datetime
    ) -> ProcessorOutcome | None:
        page = get_page(attempt)
        if page and page.reference and attempt.invoice.state not in OWED:
            return _close_page(processor, page.reference)
        return processor.look_up(build_charge(attempt), at=at)

    def send(
        self, processor: SupportsCharges, attempt: PaymentAttempt, at: datetime
    ) -> ProcessorOutcome:
        return processor.charge(build_charge(attempt), at=at)


CHARGES = ChargeCaller()


def charge_due(*, clock: Clock, connect: Connect = connect) -> int:
    """Send payment attempts that are due and look up open ones; return the calls made.

    Safe to run twice, and concurrently.
    """
    return make_due_calls(CHARGES, clock=clock, connect=connect)


def build_charge(attempt: PaymentAttempt) -> ChargeRequest:
    """The processor request for an attempt; its related rows should be selected."""
    method, page = attempt.method, get_page(attempt)
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
        sent_until=page.sent_until if page else send_deadline(attempt),
        page=page.reference if page else None,
    )


def schedule_page_checks(*, document_ids: Collection[int], now: datetime) -> None:
    """Have the next sweep look up the open checkout pages of these invoices.

    The page of a paid invoice is then closed, so that nobody pays twice.
    """
    PaymentAttempt.objects.filter(
        invoice__in=document_ids, page__isnull=False, state="pending"
    ).update(next_attempt_at=now, leased_until=None)


def get_page(attempt: PaymentAttempt) -> CheckoutPage | None:
    """The checkout page that an attempt is paid on, if there is one."""
    return getattr(attempt, "page", None)


def _close_page(processor: SupportsCharges, reference: str) -> ProcessorOutcome | None:
    """Close a checkout page; its outcome, or None if the processor is unreachable."""
    assert isinstance(processor, SupportsCheckout)  # it has opened the page
    try:
        return processor.close_page(reference)
    except Unreachable:
        return None
