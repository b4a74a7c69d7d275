"""Usage events as they come in, and what becomes of each. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

DIGEST_BYTES = 16
LONGEST_NAME = 200
LONGEST_BREAKDOWN = 40


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """One fact as told: quantity in raw units, `occurred_at` aware.

    Agency, agent and meter are given by code; an agent may be missing. `supersedes`
    is the id, of the same source, of the event that this one takes the place of.
    """

    source: str
    id: str
    agency: str
    agent: str | None
    meter: str
    quantity: Decimal
    occurred_at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    supersedes: str | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """A counted event as it is stored, in the order of the table's columns.

    CountedQuantities are in raw units; a row that takes back another one has them below zero.
    """

    id: int
    used_on: date
    agency_id: int
    agent_id: int | None
    meter_id: int
    breakdown: str
    owner: int
    source: str
    external_id: str
    occurred_at: datetime
    received_at: datetime
    raw: Decimal
    billable: Decimal
    properties: Mapping[str, Any]
    cutoff: int
    supersedes: str | None
    reverses: int | None


@dataclass(frozen=True, slots=True)
class IngestResult:
    """accepted, duplicate or rejected; the latter with code, field and message."""

    status: str
    code: str = ""
    field: str = ""
    message: str = ""


class CountedEvent(NamedTuple):
    """An event as it was counted; what took another back is below zero."""

    id: str
    source: str
    agent: str | None
    dial_mode: str
    occurred_at: datetime
    started_at: str | None
    raw: Decimal
    billable: Decimal
    cutoff: int


ACCEPTED = IngestResult("accepted")
DUPLICATE = IngestResult("duplicate")


def rejected(code: str, field: str, message: str) -> IngestResult:
    """A verdict that says what was wrong and where."""
    return IngestResult("rejected", code, field, message)


_encode = msgspec.json.Encoder(order="sorted").encode
_RESPELLED = re.compile(r"[0-9]e|-0\.0")  # numbers that a jsonb spells otherwise


def properties_json(properties: Mapping[str, Any]) -> str:
    """Properties as canonical JSON text; the same when the database gave them back."""
    if not properties:
        return "{}"
    text = _encode(properties).decode()
    if _RESPELLED.search(text):
        return _encode(_as_kept(properties)).decode()
    return text


def _as_kept(value: Any) -> Any:
    """JSON as the database keeps it: no exponent, no zero below zero."""
    if isinstance(value, float):
        exponent = "e" in _encode(value).decode()
        return int(value) if exponent and value.is_integer() else value or 0.0
    if isinstance(value, Mapping):
        return {name: _as_kept(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_kept(one) for one in value]
    return value


def utc_text(instant: datetime) -> str:
    """An instant in UTC as the database spells it too."""
    return str(instant if instant.tzinfo is UTC else instant.astimezone(UTC))


def event_key(owner: int, source: str, event_id: str) -> str:
    """Digest, in hex, of what makes an event one and the same for ever."""
    text = f"{owner}\0{source}\0{event_id}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def arrival_key(key: str) -> str:
    """The key under which an event is counted whose own waited for it: it was
    superseded before it came. Both in hex.
    """
    return blake2b(f"{key}\0arrived".encode(), digest_size=DIGEST_BYTES).hexdigest()


def content_digest(
    event: IncomingEvent, quantity: str, occurred_at: str, properties: str
) -> str:
    """Digest, in hex, of everything an event says beside its id.

    `quantity` is plain, `occurred_at` the instant in UTC, properties canonical JSON.
    """
    text = (
        f"{event.agency}\0{event.agent or ''}\0{event.meter}\0{quantity}"
        f"\0{occurred_at}\0{properties}"
    )
    if event.supersedes is not None:
        text += f"\0{event.supersedes}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
