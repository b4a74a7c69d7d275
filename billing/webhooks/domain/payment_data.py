"""The delivered fields of events about payments, disputes and processors. Pure."""

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
    """`id` is the payment's; its full amount is reversed, and nothing is paid out."""

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
    """`id` is the attempt's; `sent_at` is when it was first sent to the processor."""

    id: UUID
    invoice: UUID
    amount: str
    currency: str
    processor: str
    state: str
    sent_at: datetime


class RefundUnresolved(msgspec.Struct):
    """`id` is the request's; `sent_at` is when it was first sent to the processor."""

    id: UUID
    payment: UUID
    amount: str
    currency: str
    processor: str
    state: str
    sent_at: datetime


class ProcessorEventUnresolved(msgspec.Struct):
    """`event` is the processor's event id; `payment` its id of the payment it waits for."""

    processor: str
    event: str
    state: str
    payment: str | None
    received_at: datetime


class DisputeMoved(msgspec.Struct):
    """`at` is when the change was recorded."""

    id: UUID
    payment: UUID
    amount: str
    currency: str
    processor: str
    reference: str
    at: datetime


class ProcessorChanged(msgspec.Struct):
    """`changed` lists url, sending (the key for calls) or receiving (for its events)."""

    processor: str
    changed: list[str]


class PaymentsCompared(msgspec.Struct):
    """`day` is in UTC; `compared` counts payments, refunds and disputes of both sides."""

    processor: str
    day: date
    compared: int
    differences: int


class RefundRequested(msgspec.Struct):
    """`id` is the request's; the refund itself has an id of its own."""

    id: UUID
    payment: UUID
    amount: str
    currency: str
    processor: str


class MethodChanged(msgspec.Struct):
    id: UUID
    agency: str
    processor: str
