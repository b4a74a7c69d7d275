"""Recording outcomes of payment attempts, each in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import failed_event
from billing.collection.services.recording import apply_outcome
from billing.collection.signals import attempt_ended
from billing.processors.domain.port import ProcessorOutcome
from billing.receivables.services.payments import receive_payment
from billing.webhooks.services.outbox import publish
from core.queue.models import QueueQuerySet


class ChargeRecorder:
    """How outcomes of payment attempts are recorded."""

    ends: ClassVar[Mapping[str, str]] = {
        kind: kind for kind in ("declined_hard", "declined_soft", "failed")
    }
    success_is_final: ClassVar[bool] = True

    def rows(self) -> QueueQuerySet[PaymentAttempt]:
        return PaymentAttempt.objects.select_related("invoice__payer", "processor")

    def payer_of(self, attempt: PaymentAttempt) -> int:
        return attempt.invoice.payer_id

    def on_success(self, attempt: PaymentAttempt, now: datetime) -> None:
        receive_payment(
            payer=attempt.invoice.payer,
            amount=attempt.amount,
            currency=attempt.currency,
            processor=attempt.processor.code,
            reference=attempt.reference,
            document=attempt.invoice,
            actor=attempt.actor,
            method="processor",
            now=now,
        )
        attempt_ended.send(PaymentAttempt, attempt=attempt, now=now)

    def on_failure(self, attempt: PaymentAttempt, now: datetime) -> None:
        publish(failed_event(attempt), now=now)
        attempt_ended.send(PaymentAttempt, attempt=attempt, now=now)


def apply_charge_outcome(
    *, attempt: PaymentAttempt, outcome: ProcessorOutcome, now: datetime
) -> PaymentAttempt:
    """Move a payment attempt to the state of an outcome; a success records its payment.

    Repeating an outcome changes nothing, nor does a less final one; a success counts
    even after a failure. Raises Contradiction, and what receive_payment raises.
    """
    return apply_outcome(ChargeRecorder(), attempt, outcome, now=now, from_call=False)
