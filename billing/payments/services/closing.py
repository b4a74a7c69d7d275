"""Closing an attempt by hand, where a processor never says what became of it."""

from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from billing.invoicing.services.issuing import lock_accounts
from billing.payments.attempt_states import UNREPORTED
from billing.payments.models import PaymentAttempt
from billing.payments.processors.port import ProcessorOutcome
from billing.payments.returns import RefundAttempt
from billing.payments.services.outcomes import ChargeRecords
from billing.payments.services.recording import A, Records, record
from billing.payments.services.returning import REFUNDS
from seats.errors import ReasonMissing, Refusal

AT_FIRST = timedelta(hours=24)  # the processor is asked, and the key may be sent again


class NotStuck(Refusal):
    code = "attempt_not_stuck"


class ReferenceUnasked(Refusal):
    code = "reference_unasked"


def close_attempt(
    *,
    attempt: PaymentAttempt | RefundAttempt,
    outcome: Literal["succeeded", "failed"],
    reason: str,
    actor: str,
    now: datetime,
    reference: str = "",
) -> None:
    """Say what became of an attempt that is pending or unknown for a day.

    A success names the processor's reference, and moves its money in our books. Who
    said it, and why, stays in the history. Raises NotStuck, ReasonMissing,
    ReferenceUnasked for a failure with a reference, BadReference for a success without
    one, Contradiction, and what moving the money raises.
    """
    if not reason:
        raise ReasonMissing("Say how you know.", field="reason")
    if outcome == "failed" and reference:
        raise ReferenceUnasked("What failed has none.", field="reference")
    by_hand = ProcessorOutcome(outcome, reference, f"by {actor}: {reason}")
    if isinstance(attempt, RefundAttempt):
        _close(REFUNDS, attempt, by_hand, actor, now)
    else:
        _close(ChargeRecords(), attempt, by_hand, actor, now)


def _close(
    of: Records[A], attempt: A, outcome: ProcessorOutcome, actor: str, now: datetime
) -> None:
    with transaction.atomic():
        lock_accounts([of.payer_of(attempt)])
        current = of.rows().get(pk=attempt.pk)
        first = current.first_sent_at
        if current.state not in UNREPORTED or first is None or now < first + AT_FIRST:
            raise NotStuck(f"{current} is not open for a day.")
        record(of, current, outcome, now=now, of_call=False, closed_by=actor)
