"""What a processor tells by signed webhook, as facts. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from billing.payments.processors.port import (
    ChargeUpdate,
    DisputeUpdate,
    DoesNotFit,
    ProcessorOutcome,
    ProcessorUpdate,
    RefundUpdate,
)
from seats.parsing.strict_json import JsonRefused, decode_json

# Not 1e-9999999, with which nobody can calculate.
AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


class OfCharge(msgspec.Struct):
    """`reference` is the processor's id of a payment; `hard`: never ask again."""

    attempt: UUID
    amount: str
    currency: str
    reference: str = ""
    reason: str = ""
    hard: bool = False


class OfRefund(msgspec.Struct):
    """`refund` is the key it was asked under; none: it was begun at the processor."""

    payment: str
    amount: str
    currency: str
    refund: UUID | None = None
    reference: str = ""
    reason: str = ""


class OfDispute(msgspec.Struct):
    """`reference` is the processor's id of the dispute."""

    payment: str
    reference: str
    amount: str
    currency: str
    reason: str = ""


class Answer(msgspec.Struct):
    """A body that it signed."""

    type: str
    data: msgspec.Raw


_decode = msgspec.json.Decoder(Answer).decode


def read_updates(body: bytes) -> Sequence[ProcessorUpdate]:
    """The one fact of a body. Raises DoesNotFit for what cannot be read."""
    try:
        answer = decode_json(body, _decode)
        kind, _, what = answer.type.partition(".")
        read = READERS.get(kind, {}).get(what)
        if read is None:
            raise DoesNotFit("Nothing is known of this type.")
        return [read(bytes(answer.data))]
    except (msgspec.DecodeError, JsonRefused) as error:
        raise DoesNotFit("It cannot be read.") from error


def _charge(kind: str) -> Callable[[bytes], ProcessorUpdate]:
    def read(data: bytes) -> ProcessorUpdate:
        told = msgspec.json.decode(data, type=OfCharge)
        result = kind
        if kind == "declined":
            result = "declined_hard" if told.hard else "declined_soft"
        outcome = _outcome(result, told.reference, told.reason)
        return ChargeUpdate(told.attempt, _amount(told.amount), told.currency, outcome)

    return read


def _refund(kind: str) -> Callable[[bytes], ProcessorUpdate]:
    def read(data: bytes) -> ProcessorUpdate:
        told = msgspec.json.decode(data, type=OfRefund)
        return RefundUpdate(
            told.refund,
            _id(told.payment),
            _amount(told.amount),
            told.currency,
            _outcome(kind, told.reference, told.reason),
        )

    return read


def _dispute(state: str) -> Callable[[bytes], ProcessorUpdate]:
    def read(data: bytes) -> ProcessorUpdate:
        told = msgspec.json.decode(data, type=OfDispute)
        return DisputeUpdate(
            _id(told.payment),
            _id(told.reference),
            _amount(told.amount),
            told.currency,
            state,  # type: ignore[arg-type]
            _text(told.reason),
        )

    return read


READERS: Mapping[str, Mapping[str, Callable[[bytes], ProcessorUpdate]]] = {
    "payment": {
        kind: _charge(kind) for kind in ("pending", "succeeded", "declined", "failed")
    },
    "refund": {kind: _refund(kind) for kind in ("pending", "succeeded", "failed")},
    "dispute": {
        "inquiry": _dispute("inquiry"),
        "opened": _dispute("open"),
        "won": _dispute("won"),
        "lost": _dispute("lost"),
    },
}


def _outcome(kind: str, reference: str, reason: str) -> ProcessorOutcome:
    """Only what succeeded, or may have gone back, is known by its reference."""
    known = "" if kind.startswith("declined") else _id(reference)
    return ProcessorOutcome(kind, known, _text(reason))  # type: ignore[arg-type]


def _amount(text: str) -> Decimal:
    if not AMOUNT.fullmatch(text):
        raise DoesNotFit("It is over no amount.")
    return Decimal(text)


def _id(text: str) -> str:
    if not text.isprintable():
        raise DoesNotFit("An id of it cannot be kept.")
    return text


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd")
