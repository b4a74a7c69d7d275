"""Requesting charges: payment attempts for all that is owed on an invoice."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.collection.domain.webhook_events import PaymentAttempted, PaymentFailed
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.holds import require_collectable
from billing.collection.services.methods import NoMethod, get_payment_method
from billing.invoicing.models.documents import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.processors.models import PaymentProcessor
from billing.receivables.queries.positions import AmountDue, amounts_due
from billing.webhooks.services.outbox import publish
from core.errors import Kind, Refusal

AUTOPAY = "autopay"  # the actor of charges made when invoices are issued
OPEN = Document.State.OPEN


class ChargeUnderWay(Refusal):
    """A charge of the invoice is in progress.

    Try again when the charge has ended.
    """

    code = "charge_under_way"
    kind = Kind.CONFLICT


class NothingToCharge(Refusal):
    """Nothing is owed on the invoice.

    Do not charge it; check its state first.
    """

    code = "nothing_to_charge"


def request_charge(
    *,
    invoice: Document,
    actor: str,
    now: datetime,
    processor: PaymentProcessor | None = None,
) -> PaymentAttempt:
    """Request a charge of all that is owed on an invoice; a sweep sends the attempt.

    The payer's method is charged; a webhook `processor` knows payers by their code and
    needs no method. Raises NoMethod, NothingToCharge, ChargeUnderWay while another
    attempt is open, and CollectionOnHold, whose finding is kept.
    """
    require_collectable(invoice, now=now)
    with transaction.atomic():
        lock_accounts([invoice.payer_id])
        attempt = build_attempt(get_amount_due(invoice, now=now), actor, now)
        attempt.method = _method_for(invoice, processor)
        attempt.processor = processor or attempt.method.processor  # type: ignore[union-attr]
        return create_attempts([attempt], now)[0]


def get_amount_due(invoice: Document, *, now: datetime) -> AmountDue:
    """What is owed on an invoice of a locked payer, if it may be charged now.

    Raises NothingToCharge, ChargeUnderWay while an attempt is open, CollectionOnHold.
    """
    owed = amounts_due([invoice.pk])
    if not owed:
        raise NothingToCharge(f"Nothing is owed on {invoice}.", field="invoice")
    attempts = PaymentAttempt.objects.filter(invoice=invoice)
    if attempts.filter(state__in=PaymentAttempt.OPEN).exists():
        raise ChargeUnderWay(
            f"A charge of {invoice} is in progress. Try again when it has ended.",
            field="invoice",
        )
    require_collectable(invoice, now=now)  # after the amount due was read
    return owed[invoice.pk]


def request_charges_on_issue(
    *, document_ids: Sequence[int], payer_ids: Collection[int], now: datetime
) -> None:
    """Request charges of invoices just issued, for payers that have a payment method.

    Must be called in the transaction that issues them, with the payers locked.
    """
    rows = PaymentMethod.objects.filter(payer__in=payer_ids, removed_at=None)
    methods = {method.payer_id: method for method in rows.select_related("processor")}
    if not methods or not settings.CHARGES["ON_ISSUE"]:
        return
    attempts = []
    for owed in amounts_due(document_ids).values():
        if owed.document.payer_id in methods and owed.document.state == OPEN:
            attempt = build_attempt(owed, AUTOPAY, now)
            attempt.method = methods[owed.document.payer_id]
            attempt.processor = attempt.method.processor
            attempts.append(attempt)
    create_attempts(attempts, now)


def build_attempt(owed: AmountDue, actor: str, now: datetime) -> PaymentAttempt:
    """An unsaved attempt for an amount due, still without a processor."""
    return PaymentAttempt(
        invoice=owed.document,
        amount=owed.amount,
        currency=owed.document.currency,
        actor=actor,
        requested_at=now,
        changed_at=now,
        next_attempt_at=now,
    )


def create_attempts(
    attempts: Sequence[PaymentAttempt], now: datetime
) -> list[PaymentAttempt]:
    """Store attempts and publish them; return them as stored, with their ids."""
    created = PaymentAttempt.objects.bulk_create(attempts)
    rows = PaymentAttempt.objects.filter(pk__in=[attempt.pk for attempt in created])
    stored = list(rows.select_related("invoice", "processor").order_by("pk"))
    publish(*map(attempted_event, stored), now=now)
    return stored


def attempted_event(attempt: PaymentAttempt) -> PaymentAttempted:
    """The event that an attempt is about to be made; its invoice should be selected."""
    return PaymentAttempted(
        agency_id=attempt.invoice.payer_id,
        subject=f"payment_attempt:{attempt.public_id}",
        id=attempt.public_id,
        invoice=attempt.invoice.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        processor=attempt.processor.code,
        actor=attempt.actor,
    )


def failed_event(attempt: PaymentAttempt) -> PaymentFailed:
    """The event that an attempt failed; its invoice should be selected."""
    return PaymentFailed(
        agency_id=attempt.invoice.payer_id,
        subject=f"payment_attempt:{attempt.public_id}",
        id=attempt.public_id,
        invoice=attempt.invoice.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        processor=attempt.processor.code,
        result=attempt.state,
        reason=attempt.last_error,
        actor=attempt.actor,
    )


def _method_for(
    invoice: Document, processor: PaymentProcessor | None
) -> PaymentMethod | None:
    """The payer's method, at `processor` if one is given. Raises NoMethod."""
    if processor is None:
        return get_payment_method(invoice.payer_id)
    rows = PaymentMethod.objects.filter(
        payer=invoice.payer_id, processor=processor, removed_at=None
    )
    method = rows.first()
    if method is None and processor.kind != PaymentProcessor.Kind.WEBHOOK:
        raise NoMethod(
            f"The payer has no payment method at processor {processor}. Save one first,"
            " or use another processor.",
            field="processor",
        )
    return method
