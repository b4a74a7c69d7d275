"""What became of an attempt, taken into our books in one transaction."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.invoicing.services.issuing import lock_accounts
from billing.payments.models import PaymentAttempt
from billing.payments.processors.port import Outcome
from billing.payments.services.receiving import check_reference, receive_payment
from billing.payments.services.requesting import attempt_event
from billing.payments.signals import attempt_ended
from billing.webhooks.services import publish
from seats.errors import Refusal

State = PaymentAttempt.State
ENDS_WITHOUT = {State.DECLINED_HARD, State.DECLINED_SOFT, State.FAILED}


class Contradiction(Refusal):
    code = "contradicts_what_was_told"


def take_outcome(
    *,
    attempt: PaymentAttempt,
    outcome: Outcome,
    now: datetime,
    of_call: bool = False,
) -> PaymentAttempt:
    """Move an attempt to where an outcome leads; a success records its payment too.

    The same outcome again changes nothing, nor does one that comes late and says less
    than is known. What came `of_call`, as `attempt` was claimed for it, says nothing
    but a success once another call has begun. Raises Contradiction where a closed
    attempt is said to have ended otherwise, and what receive_payment raises.
    """
    with transaction.atomic():
        lock_accounts([attempt.invoice.payer_id])
        rows = PaymentAttempt.objects.select_for_update(of=("self",), no_key=True)
        locked = rows.select_related("invoice__payer", "processor").get(pk=attempt.pk)
        calls = (locked.sends, locked.lookups)
        late = of_call and calls != (attempt.sends, attempt.lookups)
        if late and outcome.kind != "succeeded":
            return locked
        if locked.state not in PaymentAttempt.OPEN:
            _require_agreement(locked, outcome)
        elif outcome.kind == "succeeded":
            _succeed(locked, outcome, now)
        elif outcome.kind in ENDS_WITHOUT:
            _end(locked, outcome, now)
        else:
            _go_on(locked, outcome, now)
    return locked


def pause_of(attempt: PaymentAttempt, *, now: datetime) -> datetime:
    """When to ask next what became of it."""
    pauses = settings.CHARGES["LOOK_UPS"]
    return now + pauses[min(attempt.lookups, len(pauses) - 1)]  # type: ignore[no-any-return]


def _require_agreement(attempt: PaymentAttempt, outcome: Outcome) -> None:
    """Whatever says nothing final, or the same, is late and harmless."""
    if outcome.kind in {"pending", "unknown"}:
        return
    if (attempt.state, attempt.reference) != (outcome.kind, outcome.reference):
        raise Contradiction(f"{attempt} is {attempt.state} already.")


def _succeed(attempt: PaymentAttempt, outcome: Outcome, now: datetime) -> None:
    check_reference(outcome.reference)
    same = PaymentAttempt.objects.filter(
        processor=attempt.processor, reference=outcome.reference
    )
    if same.exists():
        raise Contradiction(f"{outcome.reference} paid for another attempt.")
    _move(attempt, State.SUCCEEDED, outcome, now)
    receive_payment(
        payer=attempt.invoice.payer,
        amount=attempt.amount,
        currency=attempt.currency,
        processor=attempt.processor.code,
        reference=outcome.reference,
        document=attempt.invoice,
        actor=attempt.actor,
        method="processor",
        now=now,
    )
    attempt_ended.send(PaymentAttempt, attempt=attempt, now=now)


def _end(attempt: PaymentAttempt, outcome: Outcome, now: datetime) -> None:
    _move(attempt, State(outcome.kind), outcome, now)
    told = {"result": str(attempt.state), "reason": attempt.error}
    publish([attempt_event(attempt, "payment.failed", **told)], now=now)
    attempt_ended.send(PaymentAttempt, attempt=attempt, now=now)


def _go_on(attempt: PaymentAttempt, outcome: Outcome, now: datetime) -> None:
    """Still open: what the processor has is not made unknown by a bad line."""
    state = State(outcome.kind)
    if attempt.state == State.PENDING:
        state = State.PENDING
    attempt.due_at = pause_of(attempt, now=now)
    _move(attempt, state, outcome, now)


def _move(
    attempt: PaymentAttempt, state: State, outcome: Outcome, now: datetime
) -> None:
    attempt.state, attempt.changed_at = state, now
    attempt.error = outcome.reason[:200]
    attempt.reference = outcome.reference if state == State.SUCCEEDED else ""
    attempt.save(update_fields=["state", "changed_at", "error", "reference", "due_at"])
