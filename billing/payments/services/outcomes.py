"""What became of a charge, taken into our books in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from django.db.models import QuerySet

from billing.payments.models import PaymentAttempt
from billing.payments.processors.port import ProcessorOutcome
from billing.payments.services.receiving import receive_payment
from billing.payments.services.recording import record
from billing.payments.services.requesting import attempt_event
from billing.payments.signals import attempt_ended
from billing.webhooks.services import publish


class ChargeRecords:
    """How charges are taken into the books."""

    ends: ClassVar[Mapping[str, str]] = {
        kind: kind for kind in ("declined_hard", "declined_soft", "failed")
    }
    success_is_final: ClassVar[bool] = True

    def rows(self) -> QuerySet[PaymentAttempt]:
        return PaymentAttempt.objects.select_related("invoice__payer", "processor")

    def payer_of(self, attempt: PaymentAttempt) -> int:
        return attempt.invoice.payer_id

    def succeeded(self, attempt: PaymentAttempt, now: datetime) -> None:
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

    def failed(self, attempt: PaymentAttempt, now: datetime) -> None:
        told = {"result": str(attempt.state), "reason": attempt.error}
        publish([attempt_event(attempt, "payment.failed", **told)], now=now)
        attempt_ended.send(PaymentAttempt, attempt=attempt, now=now)


def take_outcome(
    *, attempt: PaymentAttempt, outcome: ProcessorOutcome, now: datetime
) -> PaymentAttempt:
    """Move an attempt to where an outcome leads; a success records its payment too.

    The same outcome again changes nothing, nor does one that says less than is known. A
    success that is told after a failure is booked. Raises Contradiction, and what
    receive_payment raises.
    """
    return record(ChargeRecords(), attempt, outcome, now=now, of_call=False)
