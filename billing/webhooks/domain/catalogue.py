"""The catalogue of event types, made from the events that the rooms declare. Pure.

The outbox keeps the full payload; what is delivered names objects and amounts, never
people, actors or reasons. Amounts are decimal strings in `currency`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import cache, reduce
from inspect import cleandoc
from operator import or_
from types import UnionType
from typing import Annotated, Any, get_args
from uuid import UUID

import msgspec

from core.webhook_events import (
    Month,
    WebhookEvent,
    event_types,
    is_internal,
    payload_fields,
)

LARGEST_BODY = 20_000  # bytes
MonthText = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}$")]  # 2026-10


@dataclass(frozen=True, slots=True)
class EventType:
    """An entry of the catalogue: its description, the shape of `data`, its version."""

    description: str
    data: type[msgspec.Struct]
    version: int


class Delivered(msgspec.Struct):
    """The body of a delivery: the fields of Standard Webhooks, and the event's place."""

    type: str
    timestamp: datetime
    data: msgspec.Struct
    id: UUID
    version: int
    agency: str | None
    sequence: int
    subject: str


@cache
def catalogue() -> Mapping[str, EventType]:
    """Every event type by its name, sorted. Call it once Django's apps are ready."""
    return {name: describe(event) for name, event in event_types().items()}


def describe(event: type[WebhookEvent]) -> EventType:
    """The catalogue entry of an event."""
    description, _notes = _paragraphs(event)
    return EventType(description, _data_struct(event), event.event_version)


def data_of(kind: str, payload: Mapping[str, Any]) -> msgspec.Struct:
    """The delivered fields of an outbox payload.

    Raises KeyError for a type without an entry, msgspec.ValidationError.
    """
    if "month" in payload:  # the payload may name it by its first day
        payload = {**payload, "month": payload["month"][:7]}
    return msgspec.convert(payload, catalogue()[kind].data)


def body_of(
    *,
    kind: str,
    payload: Mapping[str, Any],
    at: datetime,
    public_id: UUID,
    agency: str | None,
    sequence: int,
    subject: str,
) -> bytes:
    """The JSON body of an event, the same for every attempt. Raises like `data_of`."""
    return msgspec.json.encode(
        Delivered(
            type=kind,
            timestamp=at,
            data=data_of(kind, payload),
            id=public_id,
            version=catalogue()[kind].version,
            agency=agency,
            sequence=sequence,
            subject=subject,
        )
    )


def _data_struct(event: type[WebhookEvent]) -> type[msgspec.Struct]:
    defaults = {
        field.name: field.default
        for field in fields(event)
        if field.default is not MISSING
    }
    columns = [
        (name, _delivered_type(hint), *([defaults[name]] if name in defaults else []))
        for name, hint in payload_fields(event).items()
        if not is_internal(hint)
    ]
    notes = next(
        (notes for base in event.__mro__ if (notes := _paragraphs(base)[1])), ""
    )
    return msgspec.defstruct(event.__name__, columns, namespace={"__doc__": notes})


def _delivered_type(hint: Any) -> Any:
    """The type of a field in a body: months and decimals are texts there."""
    if hint == Month:
        return MonthText
    if hint is Decimal:
        return str
    if isinstance(hint, UnionType):
        return reduce(or_, map(_delivered_type, get_args(hint)))
    return hint


def _paragraphs(event: type) -> tuple[str, str]:
    """The first line of an event's docstring, and what it says of the fields."""
    if event is WebhookEvent or not issubclass(event, WebhookEvent):
        return "", ""
    description, _, notes = cleandoc(vars(event).get("__doc__") or "").partition("\n\n")
    return " ".join(description.split()), notes
