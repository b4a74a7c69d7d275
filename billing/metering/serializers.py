"""Usage events as the API takes them, and the answer: compiled decoding, no queries.

Every item is decoded by itself, so that one bad item never costs a good one.
"""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from billing.metering.events import IncomingEvent, Verdict, rejected
from billing.metering.formats.cloudevents import CloudEvent, Instant, event_of
from seats.errors import Refusal

MOST_EVENTS = 10_000
JSON = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class BadBody(Refusal):
    code = "bad_json"
    status = 400


class TooManyEvents(Refusal):
    code = "too_many_events"
    status = 413


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """A usage event; `quantity` in raw units, `occurred_at` with an offset.

    `supersedes` is the id of an event of the same source that this one replaces; with
    a quantity of 0 it takes it back.
    """

    source: str
    id: str
    meter: str
    quantity: Decimal
    occurred_at: Instant
    agency: str | None = None
    agent: str | None = None
    properties: dict[str, Any] = {}
    supersedes: str | None = None


class Result(msgspec.Struct, omit_defaults=True):
    """What became of one event; `index` counts from 0 in the order of the request."""

    index: int
    status: str
    code: str = ""
    field: str = ""
    message: str = ""


class Answer(msgspec.Struct):
    """What became of all events."""

    accepted: int
    duplicate: int
    rejected: int
    results: list[Result]


_items = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(Event)
_cloud = msgspec.json.Decoder(CloudEvent)
_NOT_DECODED = (msgspec.DecodeError, ArithmeticError, RecursionError, ValueError)
_WHERE = re.compile(r" - at `\$\.?(.*)`$")


def decode_events(
    body: bytes, content_type: str, *, agency: str
) -> list[IncomingEvent | Verdict]:
    """The events of a request, and why others are none, in the order of the request.

    `agency` is the code that events without one are for. Raises BadBody,
    TooManyEvents.
    """
    items = _split(body)
    if len(items) > MOST_EVENTS:
        raise TooManyEvents(f"At most {MOST_EVENTS} events a request.")
    read = _read_event if content_type == JSON else _read_cloud_event
    return [read(item, agency) for item in items]


def answer_of(verdicts: Sequence[Verdict]) -> bytes:
    """The verdicts as JSON, in order, and how many there are of each kind."""
    counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
    results = []
    for index, one in enumerate(verdicts):
        counts[one.status] += 1
        results.append(Result(index, one.status, one.code, one.field, one.message))
    return msgspec.json.encode(Answer(**counts, results=results))


def _split(body: bytes) -> list[msgspec.Raw]:
    if body.lstrip()[:1] != b"[":
        return [msgspec.Raw(body)]
    try:
        return _items.decode(body)
    except _NOT_DECODED as error:
        raise BadBody(f"Not a JSON list: {error}") from error


def _read_event(item: msgspec.Raw, agency: str) -> IncomingEvent | Verdict:
    try:
        told = _event.decode(item)
    except _NOT_DECODED as error:
        return _refused(error)
    return IncomingEvent(
        source=told.source,
        id=told.id,
        agency=told.agency or agency,
        agent=told.agent,
        meter=told.meter,
        quantity=told.quantity,
        occurred_at=told.occurred_at,
        properties=told.properties,
        supersedes=told.supersedes,
    )


def _read_cloud_event(item: msgspec.Raw, agency: str) -> IncomingEvent | Verdict:
    try:
        return event_of(_cloud.decode(item), agency=agency)
    except _NOT_DECODED as error:
        return _refused(error)


def _refused(error: Exception) -> Verdict:
    if isinstance(error, InvalidOperation):
        return rejected("bad_quantity", "quantity", "Not a number we can hold.")
    if isinstance(error, RecursionError):
        return rejected("too_deep", "", "Nested too deep.")
    text = str(error)
    found = _WHERE.search(text)
    return rejected(
        "bad_event", found[1] if found else "", _WHERE.sub("", text) or "Not an event."
    )
