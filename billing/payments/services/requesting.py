"""Processors, and asking one of them to charge an invoice."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from billing.invoicing.models import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.money import plain
from billing.payments.models import PaymentAttempt, PaymentMethod, PaymentProcessor
from billing.payments.queries.positions import Owed, owed_on
from billing.payments.services.methods import NoMethod, method_of
from billing.payments.services.receiving import MANUAL
from billing.webhooks.addresses import NotAllowed, check_url
from billing.webhooks.endpoints import BadUrl, rules
from billing.webhooks.services import NewEvent, publish
from billing.webhooks.signing import new_secret, seal
from seats.errors import Refusal

AUTOPAY = "autopay"  # who charges what is issued
OPEN = Document.Status.OPEN


class ChargeUnderWay(Refusal):
    code = "charge_under_way"


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
    *,
    invoice: Document,
    actor: str,
    now: datetime,
    processor: PaymentProcessor | None = None,
) -> PaymentAttempt:
    """An attempt over all that is owed on an invoice; a sweep sends it.

    By the payer's method; a `processor` that knows payers by their code needs none.
    Raises NoMethod, NothingToCharge, and ChargeUnderWay while another attempt is open.
    """
    with transaction.atomic():
        lock_accounts([invoice.payer_id])
        owed = owed_on([invoice.pk])
        if not owed:
            raise NothingToCharge(f"Nothing is owed on {invoice}.", field="invoice")
        if PaymentAttempt.objects.filter(
            invoice=invoice, state__in=PaymentAttempt.OPEN
        ).exists():
            raise ChargeUnderWay(
                f"A charge of {invoice} is under way.", field="invoice"
            )
        attempt = _attempt(owed[invoice.pk], actor, now)
        attempt.method = _method_for(invoice, processor)
        attempt.processor = processor or attempt.method.processor  # type: ignore[union-attr]
        return _begin([attempt], now)[0]


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
            attempt = _attempt(owed, AUTOPAY, now)
            attempt.method = methods[owed.document.payer_id]
            attempt.processor = attempt.method.processor
            attempts.append(attempt)
    _begin(attempts, now)


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


def _attempt(owed: Owed, actor: str, now: datetime) -> PaymentAttempt:
    return PaymentAttempt(
        invoice=owed.document,
        amount=owed.amount,
        currency=owed.document.currency,
        actor=actor,
        requested_at=now,
        changed_at=now,
        due_at=now,
    )


def _begin(attempts: Sequence[PaymentAttempt], now: datetime) -> list[PaymentAttempt]:
    """Store and announce them; as they are stored, with their ids."""
    made = PaymentAttempt.objects.bulk_create(attempts)
    rows = PaymentAttempt.objects.filter(pk__in=[one.pk for one in made])
    stored = list(rows.select_related("invoice", "processor").order_by("pk"))
    publish([attempt_event(one, "payment.attempted") for one in stored], now=now)
    return stored
