"""Having processors give money back: asking for it, the calls, and what they tell."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from django.db import transaction
from django.db.models import QuerySet

from billing.invoicing.services.issuing import lock_accounts
from billing.money import money_text, plain
from billing.payments.models import Payment, PaymentProcessor, Refund
from billing.payments.processors.port import (
    DoesNotFit,
    ProcessorOutcome,
    RefundRequest,
    RefundUpdate,
    SupportsRefunds,
)
from billing.payments.queries.returnable import left_of
from billing.payments.returns import RefundAttempt
from billing.payments.services.calling import Clock, Connect, call_due, sent_until
from billing.payments.services.connecting import connect
from billing.payments.services.receiving import MANUAL, check_amount, check_reference
from billing.payments.services.recording import record
from billing.payments.services.refunding import (
    RefundDiffers,
    payment_told,
    refund_payment,
    require_left,
    require_reason,
)
from billing.webhooks.services import NewEvent, publish
from seats.errors import Refusal


class RefundByHand(Refusal):
    code = "refund_by_hand"


class RefundCalls:
    """How processors are asked for refunds, and how those are taken into the books."""

    payer_path: ClassVar[str] = "payment__payer"
    ends: ClassVar[Mapping[str, str]] = {
        kind: "failed" for kind in ("declined_hard", "declined_soft", "failed")
    }
    success_is_final: ClassVar[bool] = False  # banks reject refunds days later

    def rows(self) -> QuerySet[RefundAttempt]:
        return RefundAttempt.objects.select_related("payment__payer", "processor")

    def due(self) -> QuerySet[RefundAttempt]:
        return self.rows()

    def payer_of(self, attempt: RefundAttempt) -> int:
        return attempt.payment.payer_id

    def pointless(self, attempts: Sequence[RefundAttempt]) -> Mapping[int, str]:
        """What a dispute has taken meanwhile is not there to be given back."""
        left = left_of([attempt.payment_id for attempt in attempts])
        return {
            attempt.pk: "so much of the payment is not left any more"
            for attempt in attempts
            if attempt.amount > left[attempt.payment_id].there
        }

    def on_hold(
        self, attempts: Sequence[RefundAttempt], now: datetime
    ) -> AbstractSet[int]:
        return frozenset()  # giving back collects nothing

    def may_send(self, attempt: RefundAttempt) -> bool:
        return True

    def look_up(
        self, processor: SupportsRefunds, attempt: RefundAttempt, at: datetime
    ) -> ProcessorOutcome | None:
        return processor.look_up_refund(_request_of(attempt), at=at)

    def send(
        self, processor: SupportsRefunds, attempt: RefundAttempt, at: datetime
    ) -> ProcessorOutcome:
        return processor.refund(_request_of(attempt), at=at)

    def succeeded(self, attempt: RefundAttempt, now: datetime) -> None:
        refund_payment(
            payment=attempt.payment,
            amount=attempt.amount,
            reference=attempt.reference,
            reason=attempt.reason,
            actor=attempt.actor,
            now=now,
            done=True,
        )

    def failed(self, attempt: RefundAttempt, now: datetime) -> None:
        event = _event(attempt, "refund.failed", failure=attempt.error)
        publish([event], now=now)


REFUNDS = RefundCalls()


def request_refund(
    *,
    payment: Payment,
    amount: Decimal,
    reason: str,
    actor: str,
    now: datetime,
    asked_as: str = "",
) -> RefundAttempt:
    """An attempt to give back so much of a payment; a sweep sends it.

    Its amount is set aside until it has ended. With a reference of who asks
    (`asked_as`) it is asked for once: repeating gives the first one back. Raises
    BadAmount, BadReference, ReasonMissing, RefundByHand for money that no processor
    of ours holds, RefundDiffers, MoreThanCaptured.
    """
    check_amount(amount, payment.currency)
    require_reason(reason)
    if asked_as:
        check_reference(asked_as)
    processor = processor_of(payment)
    if processor is None:
        raise RefundByHand("No processor holds it; record it when it has gone back.")
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        known = asked_as and REFUNDS.rows().filter(payment=payment, asked_as=asked_as)
        if known:
            return _same(known[0], amount)
        left = left_of([payment.pk])[payment.pk]
        require_left(payment, amount, left.refundable)
        made = RefundAttempt.objects.create(
            payment=payment,
            processor=processor,
            amount=amount,
            currency=payment.currency,
            reason=reason,
            asked_as=asked_as,
            actor=actor,
            requested_at=now,
            changed_at=now,
            due_at=now,
        )
        attempt = REFUNDS.rows().get(pk=made.pk)
        publish([_event(attempt, "refund.requested")], now=now)
    return attempt


def give_back(
    *,
    payment: Payment,
    amount: Decimal,
    reference: str,
    reason: str,
    actor: str,
    now: datetime,
) -> Refund | RefundAttempt:
    """Ask the processor that holds a payment; else record what people gave back.

    Once per payment and reference; without one, a processor is asked each time. Raises
    what request_refund and refund_payment raise.
    """
    if processor_of(payment):
        return request_refund(
            payment=payment,
            amount=amount,
            reason=reason,
            actor=actor,
            now=now,
            asked_as=reference,
        )
    return refund_payment(
        payment=payment,
        amount=amount,
        reference=reference,
        reason=reason,
        actor=actor,
        now=now,
    )


def processor_of(payment: Payment) -> PaymentProcessor | None:
    """Who can give it back; None: people do."""
    if payment.processor == MANUAL:
        return None
    return PaymentProcessor.objects.filter(code=payment.processor).first()


def refund_due(*, clock: Clock, connect: Connect = connect) -> int:
    """Ask for the refunds that are due, and about others; how many calls.

    Safe to run twice, and at once.
    """
    return call_due(REFUNDS, clock=clock, connect=connect)


def take_refund_outcome(
    *, attempt: RefundAttempt, outcome: ProcessorOutcome, now: datetime
) -> RefundAttempt:
    """Move an attempt to where an outcome leads; a success records its refund too.

    Raises Contradiction where a closed attempt is said to have ended otherwise, and
    what refund_payment raises.
    """
    return record(REFUNDS, attempt, outcome, now=now, of_call=False)


def take_refund_told(
    *, processor: PaymentProcessor, told: RefundUpdate, now: datetime
) -> None:
    """Take what a processor tells of a refund, ours or begun there, into the books.

    Raises DoesNotFit, and what take_refund_outcome raises.
    """
    if told.key is None:
        _take_foreign(processor, told, now)
        return
    attempt = REFUNDS.rows().filter(public_id=told.key, processor=processor).first()
    if attempt is None:
        raise DoesNotFit("There is no such refund at this processor.")
    if (told.amount, told.currency) != (attempt.amount, attempt.currency):
        amount = money_text(attempt.amount, attempt.currency)
        raise DoesNotFit(f"The refund is over {amount} {attempt.currency}.")
    if told.payment not in {"", attempt.payment.reference}:
        raise DoesNotFit(f"The refund is of {attempt.payment.reference}.")
    take_refund_outcome(attempt=attempt, outcome=told.outcome, now=now)


def _take_foreign(
    processor: PaymentProcessor, told: RefundUpdate, now: datetime
) -> None:
    """A refund that nobody asked for here."""
    payment = payment_told(
        processor=processor, reference=told.payment, currency=told.currency
    )
    if told.outcome.kind == "succeeded":
        refund_payment(
            payment=payment,
            amount=told.amount,
            reference=told.outcome.reference,
            reason="begun at the processor",
            actor=processor.code,
            now=now,
            done=True,
        )
    elif RefundCalls.ends.get(told.outcome.kind) and told.outcome.reference:
        same = Refund.objects.filter(payment=payment, reference=told.outcome.reference)
        if same.exists():
            raise DoesNotFit("It has gone back in our books, and failed in theirs.")


def _same(known: RefundAttempt, amount: Decimal) -> RefundAttempt:
    if known.amount != amount:
        raise RefundDiffers(
            f"It was {money_text(known.amount, known.currency)}.", field="reference"
        )
    return known


def _request_of(attempt: RefundAttempt) -> RefundRequest:
    return RefundRequest(
        key=attempt.public_id,
        payment=attempt.payment.reference,
        amount=attempt.amount,
        currency=attempt.currency,
        requested_at=attempt.requested_at,
        lookups=attempt.lookups,
        sent_until=sent_until(attempt),
    )


def _event(attempt: RefundAttempt, kind: str, **more: str) -> NewEvent:
    payload = {
        "id": str(attempt.public_id),
        "payment": str(attempt.payment.public_id),
        "amount": plain(attempt.amount),
        "currency": attempt.currency,
        "processor": attempt.processor.code,
        "reason": attempt.reason,
        "actor": attempt.actor,
        **more,
    }
    subject = f"refund:{attempt.public_id}"
    return NewEvent(attempt.payment.payer_id, kind, subject, payload)
