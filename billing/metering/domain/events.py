"""Usage events as they are sent, stored and counted, and their digests. Pure."""

import re
from collections.abc import (
    Mapping,
)
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
    """An event as it was sent. `quantity` is in raw units, `occurred_at` is aware.

    `agency` and `meter` are codes, `agent` is an external id or None. `supersedes` is
    the id of the event, of the same source, that this one replaces. An event that is a
    leg of a call was read from a file: if its id, or one of its `former_ids` (those that
    earlier versions gave the same row), was counted with the same quantity at the same
    time, it is that row, even if its agent or meter is understood differently today.
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
    former_ids: tuple[str, ...] = ()
    is_leg: bool = False


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of the table of usage events, in the order of its columns.

    Quantities are in raw units and negative in a row that reverses another one.
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
    """The result of one event: accepted, duplicate or rejected.

    A rejection has a code, the field that is wrong (if it is one) and a message.
    """

    status: str
    code: str = ""
    field: str = ""
    message: str = ""


class CountedEvent(NamedTuple):
    """A counted event in raw units; quantities of a reversal are negative."""

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
    """The result of an event or row that was rejected."""
    return IngestResult("rejected", code, field, message)


_encode = msgspec.json.Encoder(order="sorted").encode
_NON_CANONICAL = re.compile(r"[0-9]e|-0\.0")  # numbers that jsonb writes differently


def properties_json(properties: Mapping[str, Any]) -> str:
    """Properties as canonical JSON text, equal before and after a trip through jsonb."""
    if not properties:
        return "{}"
    text = _encode(properties).decode()
    if _NON_CANONICAL.search(text):
        return _encode(_normalized(properties)).decode()
    return text


def _normalized(value: Any) -> Any:
    """JSON with numbers as jsonb stores them: no exponent, no negative zero."""
    if isinstance(value, float):
        exponent = "e" in _encode(value).decode()
        return int(value) if exponent and value.is_integer() else value or 0.0
    if isinstance(value, Mapping):
        return {name: _normalized(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_normalized(element) for element in value]
    return value


def utc_text(instant: datetime) -> str:
    """An instant in UTC, written as PostgreSQL writes it."""
    return str(instant if instant.tzinfo is UTC else instant.astimezone(UTC))


def event_key(owner: int, source: str, event_id: str) -> str:
    """The digest, in hex, of what identifies an event: owner, source and id."""
    text = f"{owner}\0{source}\0{event_id}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def arrival_key(key: str) -> str:
    """The key of an event that was superseded before it arrived; both keys in hex.

    Its own key is taken by then: it waits for the event.
    """
    return blake2b(f"{key}\0arrived".encode(), digest_size=DIGEST_BYTES).hexdigest()


def content_digest(
    event: IncomingEvent, quantity: str, occurred_at: str, properties: str
) -> str:
    """The digest, in hex, of everything an event contains besides source and id.

    `quantity` is a plain decimal, `occurred_at` as by utc_text, `properties` canonical
    JSON.
    """
    text = (
        f"{event.agency}\0{event.agent or ''}\0{event.meter}\0{quantity}"
        f"\0{occurred_at}\0{properties}"
    )
    if event.supersedes is not None:
        text += f"\0{event.supersedes}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class EventToReverse:
    """A counted event that another one supersedes. `occurred_at` is text in UTC.

    Quantities are those of the event, in raw units and positive.
    """

    event_id: int
    used_on: date
    agency_id: int
    agent_id: int | None
    meter_id: int
    breakdown: str
    owner: int
    source: str
    external_id: str
    occurred_at: str
    raw: Decimal
    billable: Decimal
