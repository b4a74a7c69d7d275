"""Payments that the payer's bank takes back, or may, in whatever order it is told.

The state moves forward only: what comes late and says less changes nothing. That money
was withheld is recorded whenever it is told, also after it came back, so that our books
end alike in every order.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from billing.invoicing.services.issuing import lock_accounts
from billing.money import plain
from billing.payments.models import Payment, PaymentProcessor
from billing.payments.processors.port import DisputeUpdate, DoesNotFit
from billing.payments.queries.returnable import left_of
from billing.payments.returns import Dispute
from billing.payments.services.posting import post_disputes
from billing.payments.services.receiving import check_amount, check_reference
from billing.payments.services.refunding import (
    payment_told,
    require_there,
    take_from_invoices,
)
from billing.payments.services.settling import settle_accounts
from billing.payments.services.waiting import release_events
from billing.webhooks.services import NewEvent, publish

State = Dispute.State
CLOSED = {State.WON, State.LOST}
RANKS = {State.INQUIRY: 0, State.OPEN: 1, State.WON: 2, State.LOST: 2}


def take_dispute(
    *, processor: PaymentProcessor, told: DisputeUpdate, now: datetime
) -> Dispute:
    """Record what is told of a dispute: its state, and what that does to the money.

    Open, the money is withheld; won, it comes back; lost, it is gone as if refunded:
    what covers nothing first, then invoices that it covered are owed again. The same
    again changes nothing. Raises DoesNotFit, BadAmount, BadReference, MoreThanCaptured
    where so much of the payment went back, and NotYet while the payment is not known or
    another dispute withholds it. The amount of an inquiry moves nothing: it may differ
    from that of the dispute that follows, which replaces it.
    """
    check_reference(told.reference)
    payment = payment_told(
        processor=processor, reference=told.payment, currency=told.currency
    )
    check_amount(told.amount, payment.currency)
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        rows = Dispute.objects.select_for_update(no_key=True)
        known = rows.filter(processor=processor, reference=told.reference).first()
        dispute = known or _new(processor, payment, told)
        _require_agreement(dispute, payment, told)
        happened = _advance(dispute, payment, told, now)
        if happened is not None:
            _store(dispute)
            for what in happened:
                post_disputes(what, [dispute.pk], now=now)
            publish([_event(dispute, payment, what) for what in happened], now=now)
            settle_accounts([payment.payer_id], now=now)
            release_events(processor=processor.code, payment=payment.reference, now=now)
    return dispute


def _new(processor: PaymentProcessor, payment: Payment, told: DisputeUpdate) -> Dispute:
    return Dispute(
        processor=processor,
        payment=payment,
        reference=told.reference,
        amount=told.amount,
        currency=told.currency,
        state="",
    )


def _require_agreement(dispute: Dispute, payment: Payment, told: DisputeUpdate) -> None:
    is_inquiry = State.INQUIRY in {dispute.state, told.state}
    same_amount = dispute.amount == told.amount or is_inquiry
    if dispute.payment_id != payment.pk or not same_amount:
        raise DoesNotFit(f"{dispute} is over another amount, or of another payment.")
    if {dispute.state, told.state} == CLOSED:
        raise DoesNotFit(f"{dispute} is {dispute.state} already, not {told.state}.")


def _advance(
    dispute: Dispute, payment: Payment, told: DisputeUpdate, now: datetime
) -> Sequence[str] | None:
    """Move a dispute; what happened to its money, in order. None: nothing is new."""
    forward = RANKS.get(dispute.state, -1) < RANKS[State(told.state)]  # type: ignore[call-overload]
    opens = dispute.opened_at is None and told.state in {State.OPEN, State.LOST}
    revised = _revise_inquiry(dispute, told)
    if not (forward or opens or revised):
        return None
    if forward:
        dispute.state, dispute.reason = told.state, told.reason[:200]
    dispute.told_at = now
    happened = []
    if opens:
        if dispute.state != State.WON:
            left = left_of([payment.pk])[payment.pk]
            # One that is open may be won, and then has taken nothing.
            most = left.captured if told.state == "open" else left.kept
            require_there(payment, dispute.amount, left, may_return=most)
        dispute.opened_at = now
        happened.append("opened")
    if dispute.state in CLOSED:
        dispute.closed_at = dispute.closed_at or now
        if dispute.state == State.LOST:
            take_from_invoices(payment, dispute.amount, now=now)
        if dispute.opened_at:
            happened.append(str(dispute.state))
    return happened


def _revise_inquiry(dispute: Dispute, told: DisputeUpdate) -> bool:
    """Take another amount for an inquiry, which moved nothing; whether there is one."""
    revised = dispute.state == State.INQUIRY and dispute.amount != told.amount
    if revised:
        dispute.amount = told.amount
    return revised


def _store(dispute: Dispute) -> None:
    if dispute.pk is None:
        dispute.save(force_insert=True)
        dispute.refresh_from_db()
    else:
        moving = ["state", "amount", "reason", "told_at", "opened_at", "closed_at"]
        dispute.save(update_fields=moving)


def _event(dispute: Dispute, payment: Payment, what: str) -> NewEvent:
    at = dispute.opened_at if what == "opened" else dispute.closed_at
    assert at
    payload = {
        "id": str(dispute.public_id),
        "payment": str(payment.public_id),
        "amount": plain(dispute.amount),
        "currency": dispute.currency,
        "processor": payment.processor,
        "reference": dispute.reference,
        "at": at.isoformat(),
    }
    subject = f"dispute:{dispute.public_id}"
    return NewEvent(payment.payer_id, f"dispute.{what}", subject, payload)
