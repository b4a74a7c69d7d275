"""Reversing payments that were recorded by mistake; no money is paid out."""

from datetime import datetime

from django.db import transaction

from billing.invoicing.services.issuing import lock_accounts
from billing.ledger.services import post_reversals
from billing.processors.domain.port import MANUAL
from billing.receivables.domain.webhook_events import PaymentReversed
from billing.receivables.models import Payment
from billing.receivables.queries.refundable import payment_balances
from billing.receivables.services.allocating import settle_accounts
from billing.receivables.services.refunds import deallocate_payment
from billing.webhooks.services.outbox import publish
from core.errors import ReasonMissing, Refusal
from core.money import money_label


class PaymentNotManual(Refusal):
    """The payment came in through a processor, so it cannot be reversed.

    Refund the payment instead.
    """

    code = "payment_not_manual"


class PaymentAlreadyReversed(Refusal):
    """The payment was already reversed.

    No action is needed.
    """

    code = "payment_reversed"


class PaymentHasReturns(Refusal):
    """Part of the payment was already refunded or disputed.

    Refund the rest instead of reversing the payment.
    """

    code = "payment_has_returns"


def reverse_payment(
    *, payment: Payment, reason: str, actor: str, now: datetime
) -> Payment:
    """Reverse all of a bank transfer or check that was recorded by mistake.

    Invoices that it covered are owed again, unless other money of the payer covers them.
    No refund is announced to the payer; `payment.reversed` is published. Its reference
    may be recorded again with another amount or payer. Raises ReasonMissing,
    PaymentNotManual for a payment through a processor, PaymentHasReturns once any of it
    was refunded or disputed, and PaymentAlreadyReversed if it is already reversed.
    """
    if not reason.strip():
        raise ReasonMissing("Enter a reason for reversing the payment.", field="reason")
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        locked = Payment.objects.select_related("payer").get(pk=payment.pk)
        require_reversible(locked)
        deallocate_payment(locked, locked.amount, now=now)
        locked.reversed_at, locked.reversed_by = now, actor
        locked.reversal_reason = reason.strip()
        locked.save(update_fields=["reversed_at", "reversed_by", "reversal_reason"])
        post_reversals([locked.pk], now=now)
        publish(_reversed(locked), now=now)
        settle_accounts([locked.payer_id], now=now)
    return locked


def require_reversible(payment: Payment) -> None:
    """Raises PaymentNotManual, PaymentAlreadyReversed, PaymentHasReturns."""
    if payment.processor != MANUAL:
        raise PaymentNotManual(
            f"Payment {payment} came in through {payment.processor}. Refund it instead."
        )
    if payment.reversed_at:
        raise PaymentAlreadyReversed(
            f"Payment {payment} was already reversed on"
            f" {payment.reversed_at:%Y-%m-%d} by {payment.reversed_by}."
        )
    balance = payment_balances([payment.pk])[payment.pk]
    if balance.refundable != payment.amount or payment.disputes.exists():
        returned = money_label(payment.amount - balance.refundable, payment.currency)
        raise PaymentHasReturns(
            f"{returned} of payment {payment} was refunded or disputed."
            " Refund the rest instead."
        )


def _reversed(payment: Payment) -> PaymentReversed:
    assert payment.reversed_at
    return PaymentReversed(
        agency_id=payment.payer_id,
        subject=f"payment:{payment.public_id}",
        id=payment.public_id,
        amount=payment.amount,
        currency=payment.currency,
        processor=payment.processor,
        reference=payment.reference,
        reason=payment.reversal_reason,
        actor=payment.reversed_by,
        reversed_at=payment.reversed_at,
    )
