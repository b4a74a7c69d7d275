"""Processors, and asking one of them to charge an invoice."""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Sum

from billing.invoicing.models import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.money import plain
from billing.payments.models import Allocation, PaymentAttempt, PaymentProcessor
from billing.payments.services.documents import ChargeUnderWay
from billing.payments.services.receiving import MANUAL
from billing.webhooks.addresses import NotAllowed, check_url
from billing.webhooks.endpoints import BadUrl, rules
from billing.webhooks.services import NewEvent, publish
from billing.webhooks.signing import new_secret, seal
from seats.errors import Refusal


class NothingToCharge(Refusal):
    code = "nothing_to_charge"


class ProcessorKnown(Refusal):
    code = "processor_known"


def add_processor(
    *, code: str, url: str, actor: str, now: datetime
) -> tuple[PaymentProcessor, str, str]:
    """A new processor, and two secrets, told this once.

    The first signs what we tell it, the second what it answers. Raises BadUrl,
    ProcessorKnown.
    """
    try:
        check_url(url, rules())
    except NotAllowed as error:
        raise BadUrl(str(error), field="url") from error
    if code == MANUAL:
        raise ProcessorKnown("That is what people record.", field="code")
    sending, receiving = new_secret(), new_secret()
    keys = settings.WEBHOOKS["SECRETS_KEYS"]
    try:
        with transaction.atomic():
            processor = PaymentProcessor.objects.create(
                code=code,
                url=url,
                sealed_sending=seal(sending, keys),
                sealed_receiving=seal(receiving, keys),
                added_by=actor,
                added_at=now,
            )
    except IntegrityError as error:
        raise ProcessorKnown(f"{code} is known.", field="code") from error
    return processor, sending, receiving


def request_charge(
    *, invoice: Document, processor: PaymentProcessor, actor: str, now: datetime
) -> PaymentAttempt:
    """An attempt over all that is owed on an invoice; a sweep sends it.

    Raises NothingToCharge, and ChargeUnderWay while another attempt is open.
    """
    with transaction.atomic():
        lock_accounts([invoice.payer_id])
        owed = _owed(invoice)
        if PaymentAttempt.objects.filter(
            invoice=invoice, state__in=PaymentAttempt.OPEN
        ).exists():
            raise ChargeUnderWay(
                f"A charge of {invoice} is under way.", field="invoice"
            )
        attempt = PaymentAttempt.objects.create(
            invoice=invoice,
            processor=processor,
            amount=owed,
            currency=invoice.currency,
            actor=actor,
            requested_at=now,
            changed_at=now,
            due_at=now,
        )
        attempt.refresh_from_db()
        publish([attempt_event(attempt, "payment.attempted")], now=now)
    return attempt


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


def _owed(invoice: Document) -> Decimal:
    """What is left of an invoice of a locked payer. Raises NothingToCharge."""
    fresh = Document.objects.get(pk=invoice.pk)
    rows = Allocation.objects.filter(document=fresh)
    covered = rows.aggregate(sum=Sum("amount"))["sum"]
    owed = fresh.total - (covered or Decimal(0))
    if (
        fresh.kind != Document.Kind.INVOICE
        or fresh.status not in {Document.Status.OPEN, Document.Status.UNCOLLECTIBLE}
        or owed <= 0
    ):
        raise NothingToCharge(f"Nothing is owed on {fresh}.", field="invoice")
    return owed
