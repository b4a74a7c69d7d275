"""Refunds above the limit: requested by a person, decided about by another."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.collection.models.approvals import RefundApproval
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.refund_requests import start_refund
from billing.invoicing.services.issuing import lock_accounts
from billing.receivables.models import Payment
from billing.receivables.queries.refundable import payment_balances
from billing.receivables.services.payments import check_amount
from billing.receivables.services.refunds import require_reason, require_refundable
from core.errors import Kind, Refusal
from seats.models import User

State = RefundApproval.State


class AlreadyDecided(Refusal):
    """The refund was already approved or declined.

    Reload the page. To refund another amount, request it again.
    """

    code = "refund_already_decided"
    kind = Kind.CONFLICT


class OwnRefund(Refusal):
    """Whoever requested the refund cannot approve it.

    Ask another person with the permission to approve it.
    """

    code = "own_refund"
    kind = Kind.FORBIDDEN


def request_approval(
    *,
    payment: Payment,
    amount: Decimal,
    reason: str,
    user: User,
    now: datetime,
    reference: str = "",
) -> RefundApproval:
    """Request that another person approves a refund of a payment, in its currency.

    Nothing is refunded or reserved until then. Every call makes another request. Raises
    BadAmount, ReasonMissing, MoreThanCaptured.
    """
    check_amount(amount, payment.currency)
    require_reason(reason)
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        balance = payment_balances([payment.pk])[payment.pk]
        require_refundable(payment, amount, balance.refundable)
        return RefundApproval.objects.create(
            payment=payment,
            amount=amount,
            currency=payment.currency,
            reference=reference,
            reason=reason,
            requested_by=user,
            requested_at=now,
        )


def approve_refund(
    *, approval: RefundApproval, user: User, reason: str, now: datetime
) -> RefundApproval:
    """Approve a refund and start it, in one transaction; a sweep sends it.

    Raises AlreadyDecided, OwnRefund, and what start_refund raises, such as
    MoreThanCaptured if too little is left of the payment by now.
    """
    with transaction.atomic():
        row = _locked(approval)
        if row.requested_by_id == user.pk:
            raise OwnRefund(
                f"{user} requested this refund, so somebody else has to approve it."
            )
        refund = start_refund(
            payment=row.payment,
            amount=row.amount,
            reference=row.reference,
            reason=row.reason,
            actor=f"{row.requested_by}, approved by {user}",
            now=now,
            is_approved=True,
        )
        row.attempt = refund if isinstance(refund, RefundAttempt) else None
        return _decide(row, State.APPROVED, user, reason, now)


def decline_refund(
    *, approval: RefundApproval, user: User, reason: str, now: datetime
) -> RefundApproval:
    """Decline a refund; whoever requested it may, too. Raises AlreadyDecided."""
    with transaction.atomic():
        return _decide(_locked(approval), State.DECLINED, user, reason, now)


def _locked(approval: RefundApproval) -> RefundApproval:
    """The undecided row, locked after its payer. Raises AlreadyDecided."""
    lock_accounts([approval.payment.payer_id])
    rows = RefundApproval.objects.select_related("payment__payer", "requested_by")
    row = rows.select_for_update(of=("self",), no_key=True).get(pk=approval.pk)
    if row.state != State.REQUESTED:
        raise AlreadyDecided(
            f"{row} was already {row.state} by {row.decided_by}. Reload the page."
        )
    return row


def _decide(
    row: RefundApproval, state: str, user: User, reason: str, now: datetime
) -> RefundApproval:
    require_reason(reason)
    row.state, row.decided_by, row.decided_at, row.decision = state, user, now, reason
    row.save(update_fields=["state", "decided_by", "decided_at", "decision", "attempt"])
    return row
