"""Giving money back."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.invoicing.services.issuing import lock_accounts
from billing.money import money_text, plain
from billing.payments.allocation import Move, Source, take_back
from billing.payments.models import Payment, PaymentProcessor, Refund
from billing.payments.processors.port import DoesNotFit
from billing.payments.queries.positions import covered_by_payments
from billing.payments.queries.returnable import Left, left_of
from billing.payments.services.posting import post_refunds
from billing.payments.services.receiving import check_amount, check_reference
from billing.payments.services.settling import record_moves, settle_accounts
from billing.payments.services.waiting import NotYet
from billing.webhooks.services import NewEvent, publish
from seats.errors import ReasonMissing, Refusal

ZERO = Decimal(0)


class RefundDiffers(Refusal):
    code = "refund_differs"


class MoreThanCaptured(Refusal):
    code = "more_than_captured"


def refund_payment(
    *,
    payment: Payment,
    amount: Decimal,
    reference: str,
    reason: str,
    actor: str,
    now: datetime,
    done: bool = False,
) -> Refund:
    """Record that money of a payment went back.

    What covers nothing goes first; for the rest, invoices that the payment covered
    are owed again, the latest first. One refund for ever per payment and reference:
    repeating gives the first one back. `done` by a processor it is a fact, whatever
    else it is asked to give back; people leave that alone. Raises BadAmount,
    BadReference, ReasonMissing, RefundDiffers, MoreThanCaptured, and NotYet for what is
    `done` with money that a dispute still withholds in our books.
    """
    check_amount(amount, payment.currency)
    check_reference(reference)
    require_reason(reason)
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        known = Refund.objects.filter(payment=payment, reference=reference).first()
        if known:
            if known.amount != amount:
                amount_then = money_text(known.amount, payment.currency)
                raise RefundDiffers(f"It was {amount_then}.", field="reference")
            return known
        left = left_of([payment.pk])[payment.pk]
        if done:
            require_there(payment, amount, left, may_return=left.kept)
        else:
            require_left(payment, amount, left.refundable)
        take_from_invoices(payment, amount, now=now)
        refund = Refund.objects.create(
            payment=payment,
            amount=amount,
            reference=reference,
            reason=reason,
            actor=actor,
            refunded_at=now,
        )
        refund.refresh_from_db()
        post_refunds([refund.pk], now=now)
        publish([_refunded(payment, refund)], now=now)
        settle_accounts([payment.payer_id], now=now)
    return refund


def payment_told(
    *, processor: PaymentProcessor, reference: str, currency: str
) -> Payment:
    """The payment with this reference of a processor.

    Raises NotYet while there is none, DoesNotFit for another currency, BadReference.
    """
    check_reference(reference)
    rows = Payment.objects.filter(processor=processor.code, reference=reference)
    payment = rows.select_related("payer").first()
    if payment is None:
        raise NotYet(
            f"Payment {reference} has not been received yet.", payment=reference
        )
    if currency != payment.currency:
        raise DoesNotFit(f"The payment is in {payment.currency}.")
    return payment


def require_reason(reason: str) -> None:
    """Raises ReasonMissing."""
    if not reason:
        raise ReasonMissing("Say why money goes back.", field="reason")


def require_left(payment: Payment, amount: Decimal, left: Decimal) -> None:
    """Raises MoreThanCaptured."""
    if amount > left:
        raise MoreThanCaptured(
            f"{money_text(left, payment.currency)} of {payment} can go back.",
            field="amount",
        )


def require_there(
    payment: Payment, amount: Decimal, left: Left, *, may_return: Decimal
) -> None:
    """Check that a processor can have taken so much of a payment.

    Raises NotYet for more than is there, up to what `may_return`, as the end of a dispute
    may not have arrived yet, and MoreThanCaptured for more than that.
    """
    if left.there < amount <= may_return:
        message = f"Only {plain(left.there)} of {payment} is available until a dispute is won."
        raise NotYet(message, payment=payment.reference)
    require_left(payment, amount, left.there)


def take_from_invoices(payment: Payment, amount: Decimal, *, now: datetime) -> None:
    """Have so much of a payment of a locked payer cover nothing, the latest first."""
    coverings = [
        covering
        for covering in covered_by_payments([payment.payer_id]).get(
            payment.payer_id, []
        )
        if covering.payment_id == payment.pk
    ]
    used = sum((covering.amount for covering in coverings), ZERO)
    needed = amount - (left_of([payment.pk])[payment.pk].kept - used)
    money = Source("payment", payment.pk, ZERO)
    taken = take_back(needed, coverings)
    record_moves([Move(money, one.document_id, -one.amount) for one in taken], now=now)


def _refunded(payment: Payment, refund: Refund) -> NewEvent:
    payload = {
        "id": str(refund.public_id),
        "payment": str(payment.public_id),
        "amount": plain(refund.amount),
        "currency": payment.currency,
        "reference": refund.reference,
        "reason": refund.reason,
        "actor": refund.actor,
        "refunded_at": refund.refunded_at.isoformat(),
    }
    subject = f"payment:{payment.public_id}"
    return NewEvent(payment.payer_id, "payment.refunded", subject, payload)
