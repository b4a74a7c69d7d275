"""Processors, and asking one of them to charge an invoice."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.invoicing.models import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.money import plain
from billing.payments.models import PaymentAttempt, PaymentMethod, PaymentProcessor
from billing.payments.queries.positions import Owed, owed_on
from billing.payments.services.holds import require_collectable
from billing.payments.services.methods import NoMethod, method_of
from billing.webhooks.services import NewEvent, publish
from seats.errors import Refusal

AUTOPAY = "autopay"  # who charges what is issued
OPEN = Document.Status.OPEN


class ChargeUnderWay(Refusal):
    code = "charge_under_way"


class NothingToCharge(Refusal):
    code = "nothing_to_charge"


def request_charge(
    *,
    invoice: Document,
    actor: str,
    now: datetime,
    processor: PaymentProcessor | None = None,
) -> PaymentAttempt:
    """An attempt over all that is owed on an invoice; a sweep sends it.

    By the payer's method; a `processor` that knows payers by their code needs none.
    Raises NoMethod, NothingToCharge, ChargeUnderWay while another attempt is open, and
    CollectionOnHold, whose finding is kept.
    """
    require_collectable(invoice, now=now)
    with transaction.atomic():
        lock_accounts([invoice.payer_id])
        attempt = new_attempt(what_to_charge(invoice, now=now), actor, now)
        attempt.method = _method_for(invoice, processor)
        attempt.processor = processor or attempt.method.processor  # type: ignore[union-attr]
        return begin_attempts([attempt], now)[0]


def what_to_charge(invoice: Document, *, now: datetime) -> Owed:
    """What is owed on an invoice of a locked payer, read before it is checked.

    Raises NothingToCharge, ChargeUnderWay while an attempt is open, CollectionOnHold.
    """
    owed = owed_on([invoice.pk])
    if not owed:
        raise NothingToCharge(f"Nothing is owed on {invoice}.", field="invoice")
    attempts = PaymentAttempt.objects.filter(invoice=invoice)
    if attempts.filter(state__in=PaymentAttempt.OPEN).exists():
        raise ChargeUnderWay(f"A charge of {invoice} is under way.", field="invoice")
    require_collectable(invoice, now=now)
    return owed[invoice.pk]


def charge_issued(
    *, document_ids: Sequence[int], payer_ids: Collection[int], now: datetime
) -> None:
    """Attempts over invoices just issued, of their locked payers that have a method.

    Must be called in the transaction that issues them.
    """
    rows = PaymentMethod.objects.filter(payer__in=payer_ids, removed_at=None)
    methods = {one.payer_id: one for one in rows.select_related("processor")}
    if not methods or not settings.CHARGES["ON_ISSUE"]:
        return
    attempts = []
    for owed in owed_on(document_ids).values():
        if owed.document.payer_id in methods and owed.document.status == OPEN:
            attempt = new_attempt(owed, AUTOPAY, now)
            attempt.method = methods[owed.document.payer_id]
            attempt.processor = attempt.method.processor
            attempts.append(attempt)
    begin_attempts(attempts, now)


def new_attempt(owed: Owed, actor: str, now: datetime) -> PaymentAttempt:
    """One over what is owed, to be begun once it has a processor."""
    return PaymentAttempt(
        invoice=owed.document,
        amount=owed.amount,
        currency=owed.document.currency,
        actor=actor,
        requested_at=now,
        changed_at=now,
        due_at=now,
    )


def begin_attempts(
    attempts: Sequence[PaymentAttempt], now: datetime
) -> list[PaymentAttempt]:
    """Store and announce them; as they are stored, with their ids."""
    made = PaymentAttempt.objects.bulk_create(attempts)
    rows = PaymentAttempt.objects.filter(pk__in=[one.pk for one in made])
    stored = list(rows.select_related("invoice", "processor").order_by("pk"))
    publish([attempt_event(one, "payment.attempted") for one in stored], now=now)
    return stored


def attempt_event(attempt: PaymentAttempt, kind: str, **more: str) -> NewEvent:
    """What is told of an attempt; its invoice must be at hand."""
    payload = {
        "id": str(attempt.public_id),
        "invoice": str(attempt.invoice.public_id),
        "amount": plain(attempt.amount),
        "currency": attempt.currency,
        "processor": attempt.processor.code,
        "actor": attempt.actor,
        **more,
    }
    subject = f"payment_attempt:{attempt.public_id}"
    return NewEvent(attempt.invoice.payer_id, kind, subject, payload)


def _method_for(
    invoice: Document, processor: PaymentProcessor | None
) -> PaymentMethod | None:
    """The payer's method, at this processor if one is named. Raises NoMethod."""
    if processor is None:
        return method_of(invoice.payer_id)
    rows = PaymentMethod.objects.filter(
        payer=invoice.payer_id, processor=processor, removed_at=None
    )
    method = rows.first()
    if method is None and processor.kind != PaymentProcessor.Kind.WEBHOOK:
        raise NoMethod("The payer has no method there.", field="processor")
    return method
