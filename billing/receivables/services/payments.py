"""Recording payments received, and the checks of amounts and references."""

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from billing.invoicing.models.documents import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.ledger.services import post_payments
from billing.receivables.domain.webhook_events import PaymentReceived
from billing.receivables.models import Payment
from billing.receivables.services.allocating import settle_accounts
from billing.receivables.services.refusals import (
    BadAmount,
    BadReference,
    InvoiceNotOfPayer,
    PaymentDiffers,
    PaymentWasReversed,
    WrongCurrency,
)
from billing.receivables.signals import payment_recorded
from billing.webhooks.services.outbox import publish
from core.money import minor_digits, money_label, plain, round_money
from core.parsing.values import shown
from core.postgres.columns import BELOW
from seats.models import Agency


def receive_payment(
    *,
    payer: Agency,
    amount: Decimal,
    currency: str,
    processor: str,
    reference: str,
    now: datetime,
    document: Document | None = None,
    actor: str = "",
    method: str = "",
) -> Payment:
    """Record a payment received, allocate it to invoices, and publish both.

    It covers `document` first, then the payer's oldest open invoices; the rest becomes
    the payer's credit balance. `amount` is positive, in the payer's currency. Repeating
    is safe: there is one payment per (processor, reference), and the first one is
    returned. Raises BadAmount, WrongCurrency, BadReference, InvoiceNotOfPayer,
    PaymentDiffers if the reference is recorded with another payer or amount, and
    PaymentWasReversed if the same payment was recorded before and reversed.
    """
    _check(payer, amount, currency, processor, reference)
    if document:
        _require_invoice_of(payer, document)
    payment = Payment(
        payer=payer,
        amount=amount,
        currency=currency,
        processor=processor,
        reference=reference,
        method=method,
        actor=actor,
        received_at=now,
    )
    with transaction.atomic():
        lock_accounts([payer.pk])
        _require_not_reversed(payment)
        existing = _find_payment(payment) or _insert(payment)
        if existing:
            return existing
        post_payments([payment.pk], now=now)
        publish(_received(payment), now=now)
        settle_accounts([payer.pk], now=now, first=document.pk if document else None)
        payment_recorded.send(Payment, payment=payment, now=now)
    return payment


def check_amount(amount: Decimal, currency: str) -> None:
    """Raises BadAmount unless the amount is positive and fits the currency's decimals."""
    if not (amount.is_finite() and 0 < amount < BELOW):
        raise BadAmount(
            f"{shown(str(amount))} is not a valid amount."
            f" Enter a number greater than 0 and less than {BELOW:,}.",
            field="amount",
        )
    if round_money(amount, currency) != amount:
        raise BadAmount(
            f"{shown(plain(amount))} has too many decimal places. Amounts in {currency} have at"
            f" most {minor_digits(currency)}.",
            field="amount",
        )


def check_reference(reference: str) -> None:
    """Raises BadReference unless it has 1 to 200 printable characters."""
    if not reference.isprintable() or not 0 < len(reference.strip()) <= 200:
        raise BadReference(
            f"{shown(reference)} is not a valid reference."
            " Use 1 to 200 printable characters.",
            field="reference",
        )


def _check(
    payer: Agency, amount: Decimal, currency: str, processor: str, reference: str
) -> None:
    if currency != payer.currency:
        raise WrongCurrency(
            f"Agency {payer.code} pays in {payer.currency}, not in {shown(currency)}.",
            field="currency",
        )
    check_amount(amount, currency)
    check_reference(reference)
    if not processor.isprintable() or not 0 < len(processor) <= 32:
        raise BadReference(
            f"{shown(processor)} is not a valid processor code."
            " Use 1 to 32 printable characters.",
            field="processor",
        )


def _require_invoice_of(payer: Agency, document: Document) -> None:
    if document.payer_id != payer.pk or document.kind != Document.Kind.INVOICE:
        raise InvoiceNotOfPayer(
            f"The document is not an invoice of agency {payer.code}."
            " Use an invoice of the same payer, or leave it out.",
            field="invoice",
        )


def _insert(payment: Payment) -> Payment | None:
    """Store it; return the payment that another transaction stored meanwhile, if any."""
    try:
        with transaction.atomic():
            payment.save(force_insert=True)
    except IntegrityError:
        existing = _find_payment(payment)
        if existing is None:
            raise
        return existing
    payment.refresh_from_db()
    return None


def _require_not_reversed(payment: Payment) -> None:
    """A repeated request must not record again what was reversed since."""
    same = Payment.objects.filter(
        processor=payment.processor, reference=payment.reference,
        payer=payment.payer, amount=payment.amount, reversed_at__isnull=False,
    )  # fmt: skip
    if same.exists():
        raise PaymentWasReversed(
            f"Payment {payment} over {money_label(payment.amount, payment.currency)} was"
            " reversed. If the money did arrive, record it under another reference.",
            field="reference",
        )


def _find_payment(payment: Payment) -> Payment | None:
    """The payment recorded under this reference.

    Raises PaymentDiffers if its payer or amount is another.
    """
    existing = Payment.objects.filter(
        processor=payment.processor, reference=payment.reference, reversed_at=None
    ).first()
    if existing and (existing.payer_id, existing.amount, existing.currency) != (
        payment.payer_id,
        payment.amount,
        payment.currency,
    ):
        raise PaymentDiffers(
            f"Payment {payment} was already recorded with another payer or amount."
            " Retry with the same payer and amount, or use a new reference.",
            field="reference",
        )
    return existing


def _received(payment: Payment) -> PaymentReceived:
    return PaymentReceived(
        agency_id=payment.payer_id,
        subject=f"payment:{payment.public_id}",
        id=payment.public_id,
        amount=payment.amount,
        currency=payment.currency,
        processor=payment.processor,
        reference=payment.reference,
        method=payment.method,
        actor=payment.actor,
        received_at=payment.received_at,
    )
