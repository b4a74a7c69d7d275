"""Charging what is due, and asking what became of it: claim, call, record.

A call is counted when it is claimed, in a commit of its own, and the network is never in
a transaction. Whoever dies with a call leaves a lease that ends; then it is unknown
whether the payer was charged, and that is looked up before it is sent again.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction

from billing.invoicing.models import Document
from billing.payments.hosting import HostedPage
from billing.payments.models import PaymentAttempt, PaymentProcessor
from billing.payments.processors.port import Charge, Charger, Outcome
from billing.payments.services.connecting import connect
from billing.payments.services.outcomes import Contradiction, pause_of, take_outcome
from billing.payments.services.requesting import attempt_event
from billing.payments.signals import attempt_ended
from billing.webhooks.services import publish
from seats.errors import Refusal

Clock = Callable[[], datetime]
Connect = Callable[[PaymentProcessor], Charger]
State = PaymentAttempt.State
OWED = {Document.Status.OPEN, Document.Status.UNCOLLECTIBLE}
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """What was claimed: to ask first, to charge, or both."""

    attempt: PaymentAttempt
    asks: bool
    charges: bool


def charge_due(*, clock: Clock, connect: Connect = connect) -> int:
    """Make the calls that are due until none is, or the sweep's time is over; how many.

    Safe to run twice, and at once.
    """
    chosen = settings.CHARGES
    stop, made = clock() + chosen["SWEEP"], 0
    with ThreadPoolExecutor(chosen["AT_ONCE"]) as pool:
        while clock() < stop:
            calls = claim_calls(now=clock(), limit=chosen["AT_ONCE"])
            if not calls:
                break
            outcomes = pool.map(lambda call: make_call(call, connect, clock), calls)
            for call, outcome in zip(calls, outcomes, strict=True):
                record_outcome(call=call, outcome=outcome, now=clock())
            made += len(calls)
    return made


def claim_calls(*, now: datetime, limit: int) -> list[Call]:
    """Take attempts for a call, and count the call before it is made."""
    with transaction.atomic(durable=True):
        rows = PaymentAttempt.objects.select_for_update(
            of=("self",), no_key=True, skip_locked=True
        )
        due = rows.filter(state__in=PaymentAttempt.OPEN, due_at__lte=now)
        due = due.select_related("invoice__payer", "processor", "method", "page")
        due = due.order_by("due_at", "pk")
        found = [_claim(attempt, now) for attempt in due[:limit]]
    return [call for call in found if call]


def make_call(call: Call, connect: Connect, clock: Clock) -> Outcome:
    """Ask, and charge if that is allowed and says nothing; asks no database.

    A charge that failed for certain says nothing of those that were sent before it.
    """
    attempt = call.attempt
    charge = charge_of(attempt)
    try:
        processor = connect(attempt.processor)
    except InvalidToken:
        error = "ours: the secret cannot be read with our keys"
        return Outcome("unknown" if call.asks else "failed", reason=error)
    known = processor.look_up(charge, at=clock()) if call.asks else None
    if known and known.kind == "absent":
        known = None if call.charges else Outcome("failed", reason=known.reason)
    if known or not call.charges:
        return known or Outcome("unknown", reason=attempt.error)
    at = clock()
    if at >= attempt.due_at:  # somebody else may be at it by now
        return Outcome("unknown", reason="ours: it took longer than its lease")
    outcome = processor.charge(charge, at=at)
    if outcome.kind == "failed" and call.asks:
        return Outcome("unknown", reason=outcome.reason)
    return outcome


def record_outcome(*, call: Call, outcome: Outcome, now: datetime) -> None:
    """Keep what came of a call, unless it is late, says no success, and others call."""
    try:
        with transaction.atomic(durable=True):
            take_outcome(attempt=call.attempt, outcome=outcome, now=now, of_call=True)
    except Refusal as refusal:
        logger.error("%s: %s %s", call.attempt, outcome.kind, refusal.message)
        _keep_open(call.attempt, refusal, now)


def charge_of(attempt: PaymentAttempt) -> Charge:
    """An attempt as processors are told of it; what goes with it must be at hand."""
    method, page = attempt.method, page_of(attempt)
    first = attempt.first_sent_at or attempt.requested_at
    until = first + settings.CHARGES["RESEND_WITHIN"] + settings.CHARGES["LEASE"]
    customer = method.customer if method else page.customer if page else ""
    return Charge(
        key=attempt.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        payer=attempt.invoice.payer.code,
        invoice=attempt.invoice.label,
        requested_at=attempt.requested_at,
        asked=attempt.lookups,
        customer=customer,
        method=method.reference if method else "",
        sent_until=page.sent_until if page else until,
        page=page.reference if page else None,
    )


def page_of(attempt: PaymentAttempt) -> HostedPage | None:
    """The page that an attempt is paid on, if there is one."""
    return getattr(attempt, "page", None)


def _claim(attempt: PaymentAttempt, now: datetime) -> Call | None:
    """Count a call of a locked attempt; none for what is no longer owed."""
    if attempt.state == State.CREATED and attempt.invoice.status not in OWED:
        attempt.state, attempt.error = State.FAILED, "nothing is owed any more"
        attempt.changed_at = now
        attempt.save(update_fields=["state", "error", "changed_at"])
        told = {"result": "failed", "reason": attempt.error}
        publish([attempt_event(attempt, "payment.failed", **told)], now=now)
        attempt_ended.send(PaymentAttempt, attempt=attempt, now=now)
        return None
    asks = attempt.state != State.CREATED
    if attempt.state in {State.CREATED, State.SENT}:
        attempt.changed_at = now
        attempt.state = State.UNKNOWN if asks else State.SENT
        attempt.error = "crashed: the call ended without a result" if asks else ""
    window = settings.CHARGES["RESEND_WITHIN"]
    first = attempt.first_sent_at or now
    # A page is opened only for somebody who waits for it.
    charges = attempt.state != State.PENDING and now < first + window
    charges = charges and page_of(attempt) is None
    attempt.first_sent_at = first
    attempt.lookups += asks
    attempt.sends += charges
    attempt.due_at = now + settings.CHARGES["LEASE"]
    attempt.save(
        update_fields=[
            "state", "error", "changed_at", "first_sent_at", "lookups", "sends",
            "due_at",
        ]
    )  # fmt: skip
    return Call(attempt, asks, charges)


def _keep_open(attempt: PaymentAttempt, refusal: Refusal, now: datetime) -> None:
    """People see what does not fit; an open attempt is asked about again."""
    fields = {"error": f"does not fit: {refusal.message}"[:200], "changed_at": now}
    if not isinstance(refusal, Contradiction):
        fields["due_at"] = pause_of(attempt, now=now)
    PaymentAttempt.objects.filter(pk=attempt.pk).update(**fields)
