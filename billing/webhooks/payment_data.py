"""What is delivered of events about payments, refunds, disputes and processors. Pure."""

from datetime import date, datetime
from uuid import UUID

import msgspec


class PaymentReceived(msgspec.Struct):
    id: UUID
    amount: str
    currency: str
    processor: str
    reference: str
    received_at: datetime


class PaymentReversed(msgspec.Struct):
    """`id` is the payment's; all of it is taken back, and nothing was paid out."""

    id: UUID
    amount: str
    currency: str
    processor: str
    reference: str
    reversed_at: datetime


class PaymentRefunded(msgspec.Struct):
    """`id` is the refund's."""

    id: UUID
    payment: UUID
    amount: str
    currency: str
    reference: str
    refunded_at: datetime


class PaymentAttempted(msgspec.Struct):
    """`id` is the attempt's."""

    id: UUID
    invoice: UUID
    amount: str
    currency: str
    processor: str


class PaymentFailed(msgspec.Struct):
    """`result` is declined_hard, declined_soft, or failed; nothing was charged."""

    id: UUID
    invoice: UUID
    amount: str
    currency: str
    processor: str
    result: str


class PaymentUnresolved(msgspec.Struct):
    """`id` is the attempt's; `sent_at` is when the processor was first asked."""

    id: UUID
    invoice: UUID
    amount: str
    currency: str
    processor: str
    state: str
    sent_at: datetime


class RefundUnresolved(msgspec.Struct):
    """`id` is the request's; `sent_at` is when the processor was first asked."""

    id: UUID
    payment: UUID
    amount: str
    currency: str
    processor: str
    state: str
    sent_at: datetime


class ProcessorEventUnresolved(msgspec.Struct):
    """`event` is the processor's id of it; `payment` its id of what it waits for."""

    processor: str
    event: str
    state: str
    payment: str | None
    received_at: datetime


class DisputeMoved(msgspec.Struct):
    """`at` is when we learned of it."""

    id: UUID
    payment: UUID
    amount: str
    currency: str
    processor: str
    reference: str
    at: datetime


class ProcessorChanged(msgspec.Struct):
    """`changed` names url, sending (our key there) or receiving (theirs here)."""

    processor: str
    changed: list[str]


class PaymentsCompared(msgspec.Struct):
    """A day of UTC; `compared` counts payments, refunds and disputes of either side."""

    processor: str
    day: date
    compared: int
    differences: int


class RefundRequested(msgspec.Struct):
    """`id` is the request's; the refund itself has another one."""

    id: UUID
    payment: UUID
    amount: str
    currency: str
    processor: str


class MethodChanged(msgspec.Struct):
    id: UUID
    agency: str
    processor: str
