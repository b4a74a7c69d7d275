"""Taking money in."""

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from billing.invoicing.models import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.money import money_label, plain, round_money
from billing.payments.models import Payment
from billing.payments.services.posting import post_payments
from billing.payments.services.settling import settle_accounts
from billing.payments.services.waiting import release_events
from billing.webhooks.services import NewEvent, publish
from seats.columns import BELOW
from seats.errors import Refusal
from seats.models import Agency

MANUAL = "manual"  # the processor of what people record


class BadAmount(Refusal):
    code = "bad_amount"


class WrongCurrency(Refusal):
    code = "wrong_currency"


class BadReference(Refusal):
    code = "bad_reference"


class PaymentDiffers(Refusal):
    code = "payment_differs"


class PaymentWasReversed(Refusal):
    code = "payment_was_reversed"
    status = 409


class NotTheirInvoice(Refusal):
    code = "not_their_invoice"


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
    """Record money that came in, cover invoices with it, and announce both.

    It covers `document` first, then the payer's oldest open invoices; the rest is the
    payer's credit. One payment for ever per (processor, reference): repeating gives
    the first one back. Raises BadAmount, WrongCurrency, BadReference, NotTheirInvoice,
    PaymentDiffers for a known reference with another payer or amount, and
    PaymentWasReversed for a payment with the same data that was reversed.
    """
    _check(payer, amount, currency, processor, reference)
    if document and (
        document.payer_id != payer.pk or document.kind != Document.Kind.INVOICE
    ):
        raise NotTheirInvoice("That is no invoice of this payer.", field="invoice")
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
        known = _known(payment) or _insert(payment)
        if known:
            return known
        post_payments([payment.pk], now=now)
        publish([_received(payment)], now=now)
        settle_accounts([payer.pk], now=now, first=document.pk if document else None)
        release_events(processor=processor, payment=reference, now=now)
    return payment


def check_amount(amount: Decimal, currency: str) -> None:
    """Raises BadAmount for what is not a positive amount in the currency's unit."""
    if not (amount.is_finite() and 0 < amount < BELOW):
        raise BadAmount("An amount is more than nothing.", field="amount")
    if round_money(amount, currency) != amount:
        raise BadAmount(f"{currency} has no such small unit.", field="amount")


def check_reference(reference: str) -> None:
    """Raises BadReference for what cannot be kept and found again."""
    if not reference.isprintable() or not 0 < len(reference.strip()) <= 200:
        raise BadReference("1 to 200 printable characters.", field="reference")


def _check(
    payer: Agency, amount: Decimal, currency: str, processor: str, reference: str
) -> None:
    if currency != payer.currency:
        raise WrongCurrency(f"{payer.code} pays in {payer.currency}.", field="currency")
    check_amount(amount, currency)
    check_reference(reference)
    if not processor.isprintable() or not 0 < len(processor) <= 32:
        raise BadReference("1 to 32 printable characters.", field="processor")


def _insert(payment: Payment) -> Payment | None:
    """Store it, or give back what another payer's transaction stored meanwhile."""
    try:
        with transaction.atomic():
            payment.save(force_insert=True)
    except IntegrityError:
        known = _known(payment)
        if known is None:
            raise
        return known
    payment.refresh_from_db()
    return None


def _require_not_reversed(payment: Payment) -> None:
    """A request that is repeated does not record anew what was reversed since."""
    same = Payment.objects.filter(
        processor=payment.processor, reference=payment.reference,
        payer=payment.payer, amount=payment.amount, reversed_at__isnull=False,
    )  # fmt: skip
    if same.exists():
        raise PaymentWasReversed(
            f"{payment} over {money_label(payment.amount, payment.currency)} was"
            " reversed. If it came in after all, record it under another reference.",
            field="reference",
        )


def _known(payment: Payment) -> Payment | None:
    """The payment of this reference. Raises PaymentDiffers if it says otherwise."""
    known = Payment.objects.filter(
        processor=payment.processor, reference=payment.reference, reversed_at=None
    ).first()
    if known and (known.payer_id, known.amount, known.currency) != (
        payment.payer_id,
        payment.amount,
        payment.currency,
    ):
        raise PaymentDiffers(
            f"{payment} is known with another payer or amount.", field="reference"
        )
    return known


def payment_event(payment: Payment, kind: str, **details: str) -> NewEvent:
    """An event of a payment as a whole, with what is particular to its kind."""
    payload = {
        "id": str(payment.public_id),
        "amount": plain(payment.amount),
        "currency": payment.currency,
        "processor": payment.processor,
        "reference": payment.reference,
        **details,
    }
    return NewEvent(payment.payer_id, kind, f"payment:{payment.public_id}", payload)


def _received(payment: Payment) -> NewEvent:
    return payment_event(
        payment,
        "payment.received",
        method=payment.method,
        actor=payment.actor,
        received_at=payment.received_at.isoformat(),
    )
