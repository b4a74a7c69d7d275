"""Disputes: payments that the payer's bank takes back or may take back.

Updates may arrive in any order. The state moves forward only; a late update of an
earlier state changes nothing. That money was withheld is recorded whenever it is
reported, even after the money came back, so that every order ends in the same books.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from billing.collection.domain.webhook_events import (
    DisputeEvent,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
)
from billing.collection.models.disputes import Dispute
from billing.collection.services.waiting_events import release_events
from billing.invoicing.services.issuing import lock_accounts
from billing.ledger.services import post_disputes
from billing.processors.domain.port import DisputeUpdate, DoesNotFit
from billing.processors.models import PaymentProcessor
from billing.receivables.models import Payment
from billing.receivables.queries.refundable import payment_balances
from billing.receivables.services.allocating import settle_accounts
from billing.receivables.services.payments import check_amount, check_reference
from billing.receivables.services.refunds import (
    deallocate_payment,
    get_payment,
    require_available,
)
from billing.webhooks.services.outbox import publish
from core.money import money_label

State = Dispute.State
CLOSED = {State.WON, State.LOST}
DISPUTE_EVENTS: Mapping[str, type[DisputeEvent]] = {
    "opened": DisputeOpened,
    "won": DisputeWon,
    "lost": DisputeLost,
}
RANKS = {State.INQUIRY: 0, State.OPEN: 1, State.WON: 2, State.LOST: 2}


def apply_dispute_update(
    *, processor: PaymentProcessor, update: DisputeUpdate, now: datetime
) -> Dispute:
    """Record the state of a dispute and post what it does to the payment's money.

    While open, the amount is withheld; won, it comes back; lost, it is gone like a
    refund: unallocated money first, then invoices it covered are owed again. Repeating
    an update is harmless. Raises DoesNotFit, BadAmount, BadReference, MoreThanCaptured
    if too much of the payment was already returned, and AwaitingPayment while the
    payment is not recorded or another dispute withholds it. The amount of an
    inquiry moves no money; it may differ from that of the dispute that replaces it.
    """
    check_reference(update.reference)
    payment = get_payment(
        processor=processor, reference=update.payment, currency=update.currency
    )
    check_amount(update.amount, payment.currency)
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        rows = Dispute.objects.select_for_update(no_key=True)
        existing = rows.filter(processor=processor, reference=update.reference).first()
        dispute = existing or _build_dispute(processor, payment, update)
        _require_agreement(dispute, payment, update)
        changes = _advance(dispute, payment, update, now)
        if changes is not None:
            _save(dispute)
            for change in changes:
                post_disputes(change, [dispute.pk], now=now)
            publish(*(_event(dispute, payment, name) for name in changes), now=now)
            settle_accounts([payment.payer_id], now=now)
            release_events(processor=processor.code, payment=payment.reference, now=now)
    return dispute


def _build_dispute(
    processor: PaymentProcessor, payment: Payment, update: DisputeUpdate
) -> Dispute:
    return Dispute(
        processor=processor,
        payment=payment,
        reference=update.reference,
        amount=update.amount,
        currency=update.currency,
        state="",
    )


def _require_agreement(
    dispute: Dispute, payment: Payment, update: DisputeUpdate
) -> None:
    is_inquiry = State.INQUIRY in {dispute.state, update.state}
    same_amount = dispute.amount == update.amount or is_inquiry
    if dispute.payment_id != payment.pk or not same_amount:
        raise DoesNotFit(
            f"Dispute {dispute} is over {money_label(dispute.amount, dispute.currency)}"
            f" of payment {dispute.payment.reference}, but the update reports"
            f" {money_label(update.amount, payment.currency)} of payment"
            f" {payment.reference}."
        )
    if {dispute.state, update.state} == CLOSED:
        raise DoesNotFit(
            f"Dispute {dispute} is already {dispute.state}; it cannot become"
            f" {update.state}."
        )


def _advance(
    dispute: Dispute, payment: Payment, update: DisputeUpdate, now: datetime
) -> Sequence[str] | None:
    """Move a dispute forward; return what changed for its money, in order.

    None if the update brings nothing new.
    """
    forward = RANKS.get(dispute.state, -1) < RANKS[State(update.state)]  # type: ignore[call-overload]
    opens = dispute.opened_at is None and update.state in {State.OPEN, State.LOST}
    revised = _revise_inquiry(dispute, update)
    if not (forward or opens or revised):
        return None
    if forward:
        dispute.state, dispute.reason = update.state, update.reason[:200]
    dispute.reported_at = now
    changes = []
    if opens:
        if dispute.state != State.WON:
            balance = payment_balances([payment.pk])[payment.pk]
            # An open dispute may still be won, and then has taken nothing.
            limit = balance.captured if update.state == "open" else balance.retained
            require_available(payment, dispute.amount, balance, limit=limit)
        dispute.opened_at = now
        changes.append("opened")
    if dispute.state in CLOSED:
        dispute.closed_at = dispute.closed_at or now
        if dispute.state == State.LOST:
            deallocate_payment(payment, dispute.amount, now=now)
        if dispute.opened_at:
            changes.append(str(dispute.state))
    return changes


def _revise_inquiry(dispute: Dispute, update: DisputeUpdate) -> bool:
    """Take another amount of an inquiry, which moved no money; return whether it differs."""
    revised = dispute.state == State.INQUIRY and dispute.amount != update.amount
    if revised:
        dispute.amount = update.amount
    return revised


def _save(dispute: Dispute) -> None:
    if dispute.pk is None:
        dispute.save(force_insert=True)
        dispute.refresh_from_db()
    else:
        moving = ["state", "amount", "reason", "reported_at", "opened_at", "closed_at"]
        dispute.save(update_fields=moving)


def _event(dispute: Dispute, payment: Payment, change: str) -> DisputeEvent:
    at = dispute.opened_at if change == "opened" else dispute.closed_at
    assert at
    return DISPUTE_EVENTS[change](
        agency_id=payment.payer_id,
        subject=f"dispute:{dispute.public_id}",
        id=dispute.public_id,
        payment=payment.public_id,
        amount=dispute.amount,
        currency=dispute.currency,
        processor=payment.processor,
        reference=dispute.reference,
        at=at,
    )
