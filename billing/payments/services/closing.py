"""Closing an attempt by hand, where a processor never says what became of it."""

from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from billing.invoicing.services.issuing import lock_accounts
from billing.payments.attempts import BY_HAND, Attempt
from billing.payments.models import PaymentAttempt
from billing.payments.processors.port import Outcome
from billing.payments.returns import RefundAttempt
from billing.payments.services.outcomes import ChargeRecords
from billing.payments.services.recording import A, Records, record
from billing.payments.services.returning import REFUNDS
from seats.errors import ReasonMissing, Refusal

STUCK = {"pending", "unknown"}
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
    said = Outcome(outcome, reference, f"{BY_HAND}{actor}: {reason}")
    if isinstance(attempt, RefundAttempt):
        _close(REFUNDS, attempt, said, now)
    else:
        _close(ChargeRecords(), attempt, said, now)


def is_stuck(attempt: Attempt, *, now: datetime) -> bool:
    """Whether it is pending or unknown for a day, so that people may close it."""
    first = attempt.first_sent_at
    return attempt.state in STUCK and first is not None and now >= first + AT_FIRST


def _close(of: Records[A], attempt: A, said: Outcome, now: datetime) -> None:
    with transaction.atomic():
        lock_accounts([of.payer_of(attempt)])
        current = of.rows().get(pk=attempt.pk)
        if not is_stuck(current, now=now):
            raise NotStuck(f"{current} is not open for a day.")
        record(of, current, said, now=now, of_call=False)
