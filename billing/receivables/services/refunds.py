"""Recording refunds of payments, and the checks that returned money has to pass."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.invoicing.services.issuing import lock_accounts
from billing.ledger.services import post_refunds
from billing.processors.domain.port import DoesNotFit
from billing.processors.models import PaymentProcessor
from billing.receivables.domain.allocation import AllocationMove, Source, deallocate
from billing.receivables.domain.webhook_events import PaymentRefunded
from billing.receivables.models import Payment, Refund
from billing.receivables.queries.positions import allocated_by_payment
from billing.receivables.queries.refundable import PaymentBalance, payment_balances
from billing.receivables.services.allocating import record_allocations, settle_accounts
from billing.receivables.services.payments import check_amount, check_reference
from billing.receivables.services.refusals import AwaitingPayment
from billing.webhooks.services.outbox import publish
from core.errors import Kind, ReasonMissing, Refusal
from core.money import money_label

ZERO = Decimal(0)


class RefundDiffers(Refusal):
    """A refund with this reference already exists with another amount.

    Retry with the same amount, or use a new reference.
    """

    code = "refund_differs"
    kind = Kind.CONFLICT


class MoreThanCaptured(Refusal):
    """The amount is more than what can still be returned of the payment.

    Use an amount up to the limit that `detail` states.
    """

    code = "more_than_captured"


def refund_payment(
    *,
    payment: Payment,
    amount: Decimal,
    reference: str,
    reason: str,
    actor: str,
    now: datetime,
    completed: bool = False,
) -> Refund:
    """Record that an amount of a payment, in its currency, was refunded.

    Unallocated money is used first; for the rest, invoices that the payment covered are
    owed again, the latest first. Repeating is safe: there is one refund per payment and
    reference, and the first one is returned. `completed` means that the processor has
    already made the refund, so amounts in open refund attempts do not limit it. Raises
    BadAmount, BadReference, ReasonMissing, RefundDiffers, MoreThanCaptured, and
    AwaitingPayment if a completed refund uses money that a dispute still withholds.
    """
    check_amount(amount, payment.currency)
    check_reference(reference)
    require_reason(reason)
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        existing = _find_refund(payment, reference, amount)
        if existing:
            return existing
        balance = payment_balances([payment.pk])[payment.pk]
        if completed:
            require_available(payment, amount, balance, limit=balance.retained)
        else:
            require_refundable(payment, amount, balance.refundable)
        deallocate_payment(payment, amount, now=now)
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
        publish(_refunded(payment, refund), now=now)
        settle_accounts([payment.payer_id], now=now)
    return refund


def _find_refund(payment: Payment, reference: str, amount: Decimal) -> Refund | None:
    """The refund recorded under this reference. Raises RefundDiffers."""
    existing = Refund.objects.filter(payment=payment, reference=reference).first()
    if existing and existing.amount != amount:
        raise RefundDiffers(
            f"Refund `{reference}` was already recorded with"
            f" {money_label(existing.amount, payment.currency)}."
            " Retry with the same amount, or use a new reference.",
            field="reference",
        )
    return existing


def get_payment(
    *, processor: PaymentProcessor, reference: str, currency: str
) -> Payment:
    """The payment with this reference at a processor.

    Raises AwaitingPayment while there is none, DoesNotFit if its currency is another,
    and BadReference.
    """
    check_reference(reference)
    rows = Payment.objects.filter(processor=processor.code, reference=reference)
    payment = rows.select_related("payer").first()
    if payment is None:
        raise AwaitingPayment(
            f"Payment {reference} has not been received yet.", payment=reference
        )
    if currency != payment.currency:
        raise DoesNotFit(
            f"Payment {reference} is in {payment.currency}, not in {currency}."
        )
    return payment


def require_reason(reason: str) -> None:
    """Raises ReasonMissing if the reason is empty."""
    if not reason:
        raise ReasonMissing("Enter a reason for the refund.", field="reason")


def require_refundable(payment: Payment, amount: Decimal, limit: Decimal) -> None:
    """Raises MoreThanCaptured for an amount above the limit."""
    if amount > limit:
        raise MoreThanCaptured(
            f"{money_label(amount, payment.currency)} is more than the"
            f" {money_label(limit, payment.currency)} of payment {payment} that can be"
            " returned. Use a smaller amount.",
            field="amount",
        )


def require_available(
    payment: Payment, amount: Decimal, balance: PaymentBalance, *, limit: Decimal
) -> None:
    """Check that a processor can have returned this amount of a payment.

    Raises AwaitingPayment for more than is available, up to `limit`, because the end of
    a dispute may not have arrived yet, and MoreThanCaptured for more than that.
    """
    if balance.available < amount <= limit:
        available = money_label(balance.available, payment.currency)
        raise AwaitingPayment(
            f"Only {available} of payment {payment} is available until a dispute is won.",
            payment=payment.reference,
        )
    require_refundable(payment, amount, balance.available)


def deallocate_payment(payment: Payment, amount: Decimal, *, now: datetime) -> None:
    """Free this amount of a payment from the invoices it covers, the latest first.

    The payer must be locked. Unallocated money of the payment counts first.
    """
    allocations = [
        allocated
        for allocated in allocated_by_payment([payment.payer_id]).get(
            payment.payer_id, []
        )
        if allocated.payment_id == payment.pk
    ]
    used = sum((allocated.amount for allocated in allocations), ZERO)
    needed = amount - (payment_balances([payment.pk])[payment.pk].retained - used)
    money = Source("payment", payment.pk, ZERO)
    taken = deallocate(needed, allocations)
    moves = [AllocationMove(money, part.document_id, -part.amount) for part in taken]
    record_allocations(moves, now=now)


def _refunded(payment: Payment, refund: Refund) -> PaymentRefunded:
    return PaymentRefunded(
        agency_id=payment.payer_id,
        subject=f"payment:{payment.public_id}",
        id=refund.public_id,
        payment=payment.public_id,
        amount=refund.amount,
        currency=payment.currency,
        reference=refund.reference,
        reason=refund.reason,
        actor=refund.actor,
        refunded_at=refund.refunded_at,
    )
