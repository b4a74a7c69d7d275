"""Webhook events of charges, refunds, disputes and payment methods. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class ChargeEvent(WebhookEvent):
    """An attempt to charge an invoice.

    `id` is the attempt's.
    """

    id: UUID
    invoice: UUID
    amount: Decimal
    currency: str
    processor: str


@dataclass(frozen=True, kw_only=True)
class PaymentAttempted(ChargeEvent):
    """An invoice is about to be charged."""

    event_type = "payment.attempted"
    message = "{amount} is about to be charged through {processor}."

    actor: Internal[str]


@dataclass(frozen=True, kw_only=True)
class PaymentFailed(ChargeEvent):
    """An invoice could not be charged.

    `result` is declined_hard, declined_soft, or failed; nothing was charged.
    """

    event_type = "payment.failed"
    message = "{amount} could not be charged: {result}. {reason}"

    result: str
    reason: Internal[str]
    actor: Internal[str]


@dataclass(frozen=True, kw_only=True)
class PaymentUnresolved(ChargeEvent):
    """The outcome of a charge is still unknown; staff were notified.

    `id` is the attempt's; `sent_at` is when it was first sent to the processor.
    """

    event_type = "payment.unresolved"
    message = "The outcome of a charge of {amount} through {processor} is unknown."

    state: str
    sent_at: datetime


@dataclass(frozen=True, kw_only=True)
class RefundEvent(WebhookEvent):
    """A request for a refund.

    `id` is the request's; the refund itself has an id of its own.
    """

    id: UUID
    payment: UUID
    amount: Decimal
    currency: str
    processor: str


@dataclass(frozen=True, kw_only=True)
class RefundRequested(RefundEvent):
    """A refund is about to be requested from the processor."""

    event_type = "refund.requested"
    message = "A refund of {amount} is requested from {processor}: {reason}"

    reason: Internal[str]
    actor: Internal[str]


@dataclass(frozen=True, kw_only=True)
class RefundFailed(RefundRequested):
    """A refund failed at the processor."""

    event_type = "refund.failed"
    message = "The refund of {amount} failed at {processor}: {reason}"

    failure: Internal[str]


@dataclass(frozen=True, kw_only=True)
class RefundUnresolved(RefundEvent):
    """The outcome of a refund is still unknown; staff were notified.

    `id` is the request's; `sent_at` is when it was first sent to the processor.
    """

    event_type = "refund.unresolved"
    message = "The outcome of a refund of {amount} by {processor} is unknown."

    state: str
    sent_at: datetime


@dataclass(frozen=True, kw_only=True)
class ProcessorEventUnresolved(WebhookEvent):
    """An event of a processor could not be recorded; staff were notified.

    `event` is the processor's event id; `payment` its id of the payment it waits for.
    """

    event_type = "processor_event.unresolved"
    message = "Event {event} of {processor} could not be recorded: {reason}"

    processor: str
    event: str
    state: str
    payment: str | None
    received_at: datetime
    reason: Internal[str]


@dataclass(frozen=True, kw_only=True)
class DisputeEvent(WebhookEvent):
    """A dispute of a payment.

    `at` is when the change was recorded.
    """

    id: UUID
    payment: UUID
    amount: Decimal
    currency: str
    processor: str
    reference: str
    at: datetime


class DisputeOpened(DisputeEvent):
    """A payer disputes a payment; the amount is withheld."""

    event_type = "dispute.opened"
    message = "{amount} is withheld because the payer disputes the payment."


class DisputeWon(DisputeEvent):
    """A dispute was won; the disputed amount came back."""

    event_type = "dispute.won"
    message = "The dispute of {amount} (payment {reference}) was won."


class DisputeLost(DisputeEvent):
    """A dispute was lost; the disputed amount is gone, as if refunded."""

    event_type = "dispute.lost"
    message = "The dispute of {amount} (payment {reference}) was lost."


@dataclass(frozen=True, kw_only=True)
class PaymentMethodEvent(WebhookEvent):
    """A payment method of an agency."""

    id: UUID
    agency: str
    processor: str
    label: Internal[str]
    actor: Internal[str]


class PaymentMethodSaved(PaymentMethodEvent):
    """A payment method was saved and is charged from now on."""

    event_type = "payment_method.saved"
    message = "Payment method {label} at {processor} was saved."


class PaymentMethodRemoved(PaymentMethodEvent):
    """A payment method was removed and is no longer charged."""

    event_type = "payment_method.removed"
    message = "Payment method {label} at {processor} was removed."


@dataclass(frozen=True, kw_only=True)
class ReconciliationEvent(WebhookEvent):
    """A day of a processor's records, compared with the ledger.

    `day` is in UTC; `compared` counts payments, refunds and disputes of both sides.
    """

    processor: str
    day: date
    compared: int
    differences: int


class PaymentsDiffer(ReconciliationEvent):
    """A processor's records of a day differ from the ledger."""

    event_type = "payments.differ"
    message = "The records of {processor} for {day} differ from the ledger."


class PaymentsReconciled(ReconciliationEvent):
    """A processor's records of a day match the ledger."""

    event_type = "payments.reconciled"
    message = "The records of {processor} for {day} match the ledger."
