"""Closing an attempt by hand if its processor never reports the outcome."""

from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.base import Attempt
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.outcomes import ChargeRecorder
from billing.collection.services.recording import A, AttemptRecorder, apply_outcome
from billing.collection.services.refund_requests import REFUNDS
from billing.invoicing.services.issuing import lock_accounts
from billing.processors.domain.attempt_states import UNREPORTED
from billing.processors.domain.port import ProcessorOutcome
from core.errors import ReasonMissing, Refusal

WAIT = timedelta(hours=24)  # until then it is looked up, and may be sent again


class NotStuck(Refusal):
    """The payment attempt cannot be closed by hand in its current state.

    Wait until it has been pending or unknown for 24 hours.
    """

    code = "attempt_not_stuck"


class ReferenceNotAllowed(Refusal):
    """A failed payment attempt cannot have a reference.

    Leave the reference empty.
    """

    code = "reference_not_allowed"


def close_attempt(
    *,
    attempt: PaymentAttempt | RefundAttempt,
    outcome: Literal["succeeded", "failed"],
    reason: str,
    actor: str,
    now: datetime,
    reference: str = "",
) -> None:
    """Close an attempt that has been pending or unknown for a day.

    A success needs the processor's reference, and records its money. The actor and the
    reason stay in the history. Raises NotStuck, ReasonMissing, ReferenceNotAllowed for a
    failure with a reference, BadReference for a success without one, Contradiction, and
    what recording the money raises.
    """
    if not reason:
        raise ReasonMissing("Enter how you know the outcome.", field="reason")
    if outcome == "failed" and reference:
        raise ReferenceNotAllowed(
            "A failed attempt has no reference. Leave the field empty.",
            field="reference",
        )
    by_hand = ProcessorOutcome(outcome, reference, f"by {actor}: {reason}")
    if isinstance(attempt, RefundAttempt):
        _close(REFUNDS, attempt, by_hand, actor, now)
    else:
        _close(ChargeRecorder(), attempt, by_hand, actor, now)


def is_stuck(attempt: Attempt, *, now: datetime) -> bool:
    """Whether it has been pending or unknown for a day, so that staff may close it."""
    first = attempt.first_sent_at
    return attempt.state in UNREPORTED and first is not None and now >= first + WAIT


def _close(
    recorder: AttemptRecorder[A],
    attempt: A,
    outcome: ProcessorOutcome,
    actor: str,
    now: datetime,
) -> None:
    with transaction.atomic():
        lock_accounts([recorder.payer_of(attempt)])
        current = recorder.rows().get(pk=attempt.pk)
        if not is_stuck(current, now=now):
            raise NotStuck(
                f"{current} is {current.state} and cannot be closed by hand. Only an"
                " attempt that has been pending or unknown for 24 hours can be."
            )
        apply_outcome(
            recorder, current, outcome, now=now, from_call=False, closed_by=actor
        )
