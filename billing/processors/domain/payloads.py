"""Events of a processor that reports by signed webhook, as updates. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from billing.processors.domain.port import (
    ChargeUpdate,
    DisputeUpdate,
    DoesNotFit,
    ProcessorOutcome,
    ProcessorUpdate,
    RefundUpdate,
)
from core.parsing.strict_json import JsonRefused, decode_json
from core.parsing.values import shown

# Not 1e-9999999, with which nobody can calculate.
AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


class ChargePayload(msgspec.Struct):
    """`reference` is the processor's id of a payment; `hard`: declined for good."""

    attempt: UUID
    amount: str
    currency: str
    reference: str = ""
    reason: str = ""
    hard: bool = False


class RefundPayload(msgspec.Struct):
    """`refund` is the key of our request; without it, it was begun at the processor."""

    payment: str
    amount: str
    currency: str
    refund: UUID | None = None
    reference: str = ""
    reason: str = ""


class DisputePayload(msgspec.Struct):
    """`reference` is the processor's id of the dispute."""

    payment: str
    reference: str
    amount: str
    currency: str
    reason: str = ""


class EventPayload(msgspec.Struct):
    """The body of an event."""

    type: str
    data: msgspec.Raw


Reader = Callable[[bytes], ProcessorUpdate]
_decode = msgspec.json.Decoder(EventPayload).decode


def read_updates(body: bytes) -> Sequence[ProcessorUpdate]:
    """The one update of an event's body. Raises DoesNotFit for an invalid body."""
    try:
        event = decode_json(body, _decode)
        reader = READERS.get(event.type)
        if reader is None:
            raise DoesNotFit(f"Unknown event type {shown(event.type)}.")
        return [reader(bytes(event.data))]
    except (msgspec.DecodeError, JsonRefused) as error:
        raise DoesNotFit(
            "The body is not valid JSON, or lacks a field that its type needs."
        ) from error


def _charge_reader(kind: str) -> Reader:
    def read(data: bytes) -> ProcessorUpdate:
        payload = msgspec.json.decode(data, type=ChargePayload)
        outcome_kind = kind
        if kind == "declined":
            outcome_kind = "declined_hard" if payload.hard else "declined_soft"
        outcome = _outcome_of(outcome_kind, payload.reference, payload.reason)
        return ChargeUpdate(
            payload.attempt, _parse_amount(payload.amount), payload.currency, outcome
        )

    return read


def _refund_reader(kind: str) -> Reader:
    def read(data: bytes) -> ProcessorUpdate:
        payload = msgspec.json.decode(data, type=RefundPayload)
        return RefundUpdate(
            payload.refund,
            _printable_id(payload.payment),
            _parse_amount(payload.amount),
            payload.currency,
            _outcome_of(kind, payload.reference, payload.reason),
        )

    return read


def _dispute_reader(state: str) -> Reader:
    def read(data: bytes) -> ProcessorUpdate:
        payload = msgspec.json.decode(data, type=DisputePayload)
        return DisputeUpdate(
            _printable_id(payload.payment),
            _printable_id(payload.reference),
            _parse_amount(payload.amount),
            payload.currency,
            state,  # type: ignore[arg-type]
            _without_nul(payload.reason),
        )

    return read


READERS: Mapping[str, Reader] = {
    "payment.pending": _charge_reader("pending"),
    "payment.succeeded": _charge_reader("succeeded"),
    "payment.declined": _charge_reader("declined"),
    "payment.failed": _charge_reader("failed"),
    "refund.pending": _refund_reader("pending"),
    "refund.succeeded": _refund_reader("succeeded"),
    "refund.failed": _refund_reader("failed"),
    "dispute.inquiry": _dispute_reader("inquiry"),
    "dispute.opened": _dispute_reader("open"),
    "dispute.won": _dispute_reader("won"),
    "dispute.lost": _dispute_reader("lost"),
}


def _outcome_of(kind: str, reference: str, reason: str) -> ProcessorOutcome:
    """A decline has no reference: the processor keeps no payment of it."""
    kept = "" if kind.startswith("declined") else _printable_id(reference)
    return ProcessorOutcome(kind, kept, _without_nul(reason))  # type: ignore[arg-type]


def _parse_amount(text: str) -> Decimal:
    if not AMOUNT.fullmatch(text):
        raise DoesNotFit(
            f'The `amount` {shown(text)} is not a decimal number such as "15.00".'
        )
    return Decimal(text)


def _printable_id(text: str) -> str:
    if not text.isprintable():
        raise DoesNotFit(f"The id {shown(text)} has characters that cannot be printed.")
    return text


def _without_nul(text: str) -> str:
    """A text that PostgreSQL can store."""
    return text.replace("\0", "\ufffd")
