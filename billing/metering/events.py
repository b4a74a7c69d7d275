"""Usage events as they come in, and what becomes of each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

DIGEST_BYTES = 16
LONGEST_NAME = 200
LONGEST_BREAKDOWN = 40


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """One fact as told: quantity in raw units, `occurred_at` aware.

    Agency, agent and meter are given by code; an agent may be missing.
    """

    source: str
    id: str
    agency: str
    agent: str | None
    meter: str
    quantity: Decimal
    occurred_at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRow:
    """A counted event as it is stored, in the order of the table's columns.

    Quantities are in raw units; a row that takes back another one has them below zero.
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
class Verdict:
    """accepted, duplicate or rejected; the latter with code, field and message."""

    status: str
    code: str = ""
    field: str = ""
    message: str = ""


ACCEPTED = Verdict("accepted")
DUPLICATE = Verdict("duplicate")


def rejected(code: str, field: str, message: str) -> Verdict:
    """A verdict that says what was wrong and where."""
    return Verdict("rejected", code, field, message)


_encode = msgspec.json.Encoder(order="sorted").encode


def properties_json(properties: Mapping[str, Any]) -> str:
    """Properties as canonical JSON text."""
    return _encode(properties).decode() if properties else "{}"


def event_key(owner: int, source: str, event_id: str) -> str:
    """Digest, in hex, of what makes an event one and the same for ever."""
    text = f"{owner}\0{source}\0{event_id}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def content_digest(event: IncomingEvent, properties: str) -> str:
    """Digest, in hex, of everything an event says beside its id."""
    quantity = event.quantity.normalize()
    text = (
        f"{event.agency}\0{event.agent or ''}\0{event.meter}\0{quantity:f}"
        f"\0{event.occurred_at.timestamp():.6f}\0{properties}"
    )
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
