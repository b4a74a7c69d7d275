"""Refunds through processors: requests, calls to the processor, and its updates."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import transaction

from billing.collection.domain.webhook_events import RefundFailed, RefundRequested
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.dispatch import (
    Clock,
    Connect,
    make_due_calls,
    send_deadline,
)
from billing.collection.services.recording import apply_outcome
from billing.invoicing.services.issuing import lock_accounts
from billing.processors.domain.port import (
    MANUAL,
    DoesNotFit,
    ProcessorOutcome,
    RefundRequest,
    RefundUpdate,
    SupportsRefunds,
)
from billing.processors.models import PaymentProcessor
from billing.processors.services.registry import connect
from billing.receivables.models import Payment, Refund
from billing.receivables.queries.refundable import payment_balances
from billing.receivables.services.payments import check_amount, check_reference
from billing.receivables.services.refunds import (
    RefundDiffers,
    get_payment,
    refund_payment,
    require_reason,
    require_refundable,
)
from billing.webhooks.services.outbox import publish
from core.errors import Kind, Refusal
from core.money import money_label, plain
from core.queue.models import QueueQuerySet


class RefundByHand(Refusal):
    """The payment is not held by a processor, so no processor can refund it.

    Return the money yourself, then record the refund.
    """

    code = "refund_by_hand"


class RefundNeedsApproval(Refusal):
    """The refund is above the limit up to which one person may refund.

    Request it in the admin, at its payment; another person approves it there.
    """

    code = "refund_needs_approval"
    kind = Kind.FORBIDDEN


class RefundCaller:
    """How refund attempts are sent to processors and recorded."""

    payer_path: ClassVar[str] = "payment__payer"
    ends: ClassVar[Mapping[str, str]] = {
        kind: "failed" for kind in ("declined_hard", "declined_soft", "failed")
    }
    success_is_final: ClassVar[bool] = False  # banks reject refunds days later

    def rows(self) -> QueueQuerySet[RefundAttempt]:
        return RefundAttempt.objects.select_related("payment__payer", "processor")

    def rows_for_calls(self) -> QueueQuerySet[RefundAttempt]:
        return self.rows()

    def payer_of(self, attempt: RefundAttempt) -> int:
        return attempt.payment.payer_id

    def cancel_reasons(self, attempts: Sequence[RefundAttempt]) -> Mapping[int, str]:
        """Cancel refunds that exceed what is left of their payment."""
        balances = payment_balances([attempt.payment_id for attempt in attempts])
        return {
            attempt.pk: "the payment no longer has enough left to refund"
            for attempt in attempts
            if attempt.amount > balances[attempt.payment_id].available
        }

    def on_hold(
        self, attempts: Sequence[RefundAttempt], now: datetime
    ) -> AbstractSet[int]:
        return frozenset()  # a refund collects nothing

    def may_send(self, attempt: RefundAttempt) -> bool:
        return True

    def look_up(
        self, processor: SupportsRefunds, attempt: RefundAttempt, at: datetime
    ) -> ProcessorOutcome | None:
        return processor.look_up_refund(_build_request(attempt), at=at)

    def send(
        self, processor: SupportsRefunds, attempt: RefundAttempt, at: datetime
    ) -> ProcessorOutcome:
        return processor.refund(_build_request(attempt), at=at)

    def on_success(self, attempt: RefundAttempt, now: datetime) -> None:
        refund_payment(
            payment=attempt.payment,
            amount=attempt.amount,
            reference=attempt.reference,
            reason=attempt.reason,
            actor=attempt.actor,
            now=now,
            completed=True,
        )

    def on_failure(self, attempt: RefundAttempt, now: datetime) -> None:
        publish(_failed(attempt), now=now)


REFUNDS = RefundCaller()


def request_refund(
    *,
    payment: Payment,
    amount: Decimal,
    reason: str,
    actor: str,
    now: datetime,
    reference: str = "",
) -> RefundAttempt:
    """Request a refund of an amount of a payment from its processor; a sweep sends it.

    The amount is reserved until the attempt has ended. With the caller's `reference`
    repeating is safe: the first attempt is returned. Raises BadAmount, BadReference,
    ReasonMissing, RefundByHand if no processor holds the payment, RefundDiffers,
    MoreThanCaptured.
    """
    check_amount(amount, payment.currency)
    require_reason(reason)
    if reference:
        check_reference(reference)
    processor = refunding_processor(payment)
    if processor is None:
        raise RefundByHand(
            f"Payment {payment} is not held by a processor. Return the money yourself,"
            " then record the refund."
        )
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        existing = REFUNDS.rows().filter(payment=payment, request_reference=reference)
        if reference and existing:
            return _require_same(existing[0], amount)
        balance = payment_balances([payment.pk])[payment.pk]
        require_refundable(payment, amount, balance.refundable)
        created = RefundAttempt.objects.create(
            payment=payment,
            processor=processor,
            amount=amount,
            currency=payment.currency,
            reason=reason,
            request_reference=reference,
            actor=actor,
            requested_at=now,
            changed_at=now,
            next_attempt_at=now,
        )
        attempt = REFUNDS.rows().get(pk=created.pk)
        publish(_requested(attempt), now=now)
    return attempt


def start_refund(
    *,
    payment: Payment,
    amount: Decimal,
    reference: str,
    reason: str,
    actor: str,
    now: datetime,
    is_approved: bool = False,
) -> Refund | RefundAttempt:
    """Request a refund from the processor of a payment, or record a manual one.

    Once per payment and reference; without a reference, each call requests another
    refund. `is_approved` means that a second person approved it. Raises
    RefundNeedsApproval, and what request_refund and refund_payment raise.
    """
    processor = refunding_processor(payment)
    with transaction.atomic():
        lock_accounts([payment.payer_id])
        is_repeated = bool(reference) and _is_started(payment, reference)
        if not (is_approved or is_repeated) and needs_approval(payment, amount):
            raise RefundNeedsApproval(
                f"More than {money_label(_limit(), payment.currency)} of payment"
                f" {payment} would be refunded, which a second person has to approve."
                " Request the refund in the admin, at its payment.",
                field="amount",
            )
        start = request_refund if processor else refund_payment
        return start(
            payment=payment,
            amount=amount,
            reference=reference,
            reason=reason,
            actor=actor,
            now=now,
        )


def needs_approval(payment: Payment, amount: Decimal) -> bool:
    """Whether a refund, with all earlier ones of its payment, is above the limit.

    So a refund cannot be split to stay below it.
    """
    balance = payment_balances([payment.pk])[payment.pk]
    return balance.refunded + balance.refunding + amount > _limit()


def _limit() -> Decimal:
    """In major units of whatever currency a payment has."""
    limit: Decimal = settings.CHARGES["REFUND_LIMIT"]
    return limit


def _is_started(payment: Payment, reference: str) -> bool:
    return (
        RefundAttempt.objects.filter(
            payment=payment, request_reference=reference
        ).exists()
        or Refund.objects.filter(payment=payment, reference=reference).exists()
    )


def refunding_processor(payment: Payment) -> PaymentProcessor | None:
    """The processor that can refund a payment; None if it is refunded by hand."""
    if payment.processor == MANUAL:
        return None
    return PaymentProcessor.objects.filter(code=payment.processor).first()


def refund_due(*, clock: Clock, connect: Connect = connect) -> int:
    """Send refunds that are due and look up open ones; return the number of calls.

    Safe to run twice, and concurrently.
    """
    return make_due_calls(REFUNDS, clock=clock, connect=connect)


def apply_refund_outcome(
    *, attempt: RefundAttempt, outcome: ProcessorOutcome, now: datetime
) -> RefundAttempt:
    """Move a refund attempt to the state of an outcome; a success records the refund.

    Repeating is safe. Raises Contradiction if the outcome contradicts that of a closed
    attempt, and what refund_payment raises.
    """
    return apply_outcome(REFUNDS, attempt, outcome, now=now, from_call=False)


def apply_refund_update(
    *, processor: PaymentProcessor, update: RefundUpdate, now: datetime
) -> None:
    """Apply a processor's update of a refund, requested here or started at the processor.

    Repeating is safe. Raises DoesNotFit, and what apply_refund_outcome raises.
    """
    if update.key is None:
        _apply_foreign_refund(processor, update, now)
        return
    attempt = REFUNDS.rows().filter(public_id=update.key, processor=processor).first()
    if attempt is None:
        raise DoesNotFit(f"Processor {processor} has no refund {update.key}.")
    if (update.amount, update.currency) != (attempt.amount, attempt.currency):
        raise DoesNotFit(
            f"Refund {attempt.public_id} is over"
            f" {money_label(attempt.amount, attempt.currency)}, but the update reports"
            f" {plain(update.amount)} {update.currency}."
        )
    if update.payment not in {"", attempt.payment.reference}:
        raise DoesNotFit(
            f"Refund {attempt.public_id} is of payment {attempt.payment.reference}, not"
            f" of {update.payment}."
        )
    apply_refund_outcome(attempt=attempt, outcome=update.outcome, now=now)


def _apply_foreign_refund(
    processor: PaymentProcessor, update: RefundUpdate, now: datetime
) -> None:
    """Apply an update of a refund that was started at the processor, not here."""
    payment = get_payment(
        processor=processor, reference=update.payment, currency=update.currency
    )
    if update.outcome.kind == "succeeded":
        refund_payment(
            payment=payment,
            amount=update.amount,
            reference=update.outcome.reference,
            reason="begun at the processor",
            actor=processor.code,
            now=now,
            completed=True,
        )
    elif RefundCaller.ends.get(update.outcome.kind) and update.outcome.reference:
        same = Refund.objects.filter(
            payment=payment, reference=update.outcome.reference
        )
        if same.exists():
            raise DoesNotFit(
                f"Refund {update.outcome.reference} of payment {payment.reference} is"
                " recorded as succeeded, but the processor reports that it failed."
            )


def _require_same(existing: RefundAttempt, amount: Decimal) -> RefundAttempt:
    if existing.amount != amount:
        raise RefundDiffers(
            f"Refund `{existing.request_reference}` was already requested with"
            f" {money_label(existing.amount, existing.currency)}."
            " Retry with the same amount, or use a new reference.",
            field="reference",
        )
    return existing


def _build_request(attempt: RefundAttempt) -> RefundRequest:
    return RefundRequest(
        key=attempt.public_id,
        payment=attempt.payment.reference,
        amount=attempt.amount,
        currency=attempt.currency,
        requested_at=attempt.requested_at,
        lookups=attempt.lookups,
        sent_until=send_deadline(attempt),
    )


def _requested(attempt: RefundAttempt) -> RefundRequested:
    return RefundRequested(
        agency_id=attempt.payment.payer_id,
        subject=f"refund:{attempt.public_id}",
        id=attempt.public_id,
        payment=attempt.payment.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        processor=attempt.processor.code,
        reason=attempt.reason,
        actor=attempt.actor,
    )


def _failed(attempt: RefundAttempt) -> RefundFailed:
    return RefundFailed(
        agency_id=attempt.payment.payer_id,
        subject=f"refund:{attempt.public_id}",
        id=attempt.public_id,
        payment=attempt.payment.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        processor=attempt.processor.code,
        reason=attempt.reason,
        failure=attempt.last_error,
        actor=attempt.actor,
    )
