"""Webhook events of payments that were received, and of what they cover. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.invoicing.domain.webhook_events import DocumentEvent
from core.webhook_events import Internal, WebhookEvent


class InvoiceReopened(DocumentEvent):
    """An invoice is owed again because what had paid it was taken back."""

    event_type = "invoice.reopened"
    message = "Invoice {number} is owed again."


@dataclass(frozen=True, kw_only=True)
class PaymentEvent(WebhookEvent):
    """A payment, with the processor's reference or that of the bank transfer."""

    id: UUID
    amount: Decimal
    currency: str
    processor: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class PaymentReceived(PaymentEvent):
    """A payment was received."""

    event_type = "payment.received"
    message = "{amount} was received through {processor} ({reference})."

    received_at: datetime
    method: Internal[str]
    actor: Internal[str]


@dataclass(frozen=True, kw_only=True)
class PaymentReversed(PaymentEvent):
    """A bank transfer or check that was recorded by mistake was reversed.

    `id` is the payment's; its full amount is reversed, and nothing is paid out.
    """

    event_type = "payment.reversed"
    message = "Payment {reference} of {amount} was reversed: {reason}"

    reversed_at: datetime
    reason: Internal[str]
    actor: Internal[str]


@dataclass(frozen=True, kw_only=True)
class PaymentRefunded(WebhookEvent):
    """A payment was refunded, in full or in part.

    `id` is the refund's.
    """

    event_type = "payment.refunded"
    message = "{amount} was refunded ({reference}): {reason}"

    id: UUID
    payment: UUID
    amount: Decimal
    currency: str
    reference: str
    refunded_at: datetime
    reason: Internal[str]
    actor: Internal[str]
