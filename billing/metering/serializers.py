"""Usage as the API takes it and tells it. No queries.

What is taken is decoded by msgspec, every event by itself, so that one bad event never
costs a good one.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from io import BytesIO
from itertools import islice
from typing import Any

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.fields import get_attribute

from billing.metering.events import IncomingEvent, IngestResult, rejected
from billing.metering.formats.cloudevents import CloudEvent, Instant, event_of
from billing.metering.models import UsageEvent
from billing.metering.quantities import BadQuantity, Quantity, quantity_of
from billing.money import money_text, plain
from seats.errors import Refusal
from seats.fields import LocalDate
from seats.parsing.records import Unreadable, split_records
from seats.parsing.strict_json import BadJson, JsonRefused, decode_json

MOST_EVENTS = 10_000
LONGEST_EVENT = 65_536
NEEDED = 5  # keys of an event
JSON = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class TooManyEvents(Refusal):
    code = "too_many_events"
    status = 413


class Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A usage event; `quantity` in raw units, `occurred_at` with an offset.

    `supersedes` is the id of an event of the same source that this one replaces; with
    a quantity of 0 it takes it back.
    """

    source: str
    id: str
    meter: str
    quantity: Quantity
    occurred_at: Instant
    agency: str | None = None
    agent: str | None = None
    properties: dict[str, Any] = {}
    supersedes: str | None = None


class Result(msgspec.Struct, omit_defaults=True, gc=False):
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


_item = msgspec.json.Decoder(msgspec.Raw).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_event = msgspec.json.Decoder(Event).decode
_cloud = msgspec.json.Decoder(CloudEvent).decode
_WHERE = re.compile(r" - at `\$\.?(.*)`$")


def decode_events(
    body: bytes, content_type: str, *, agency: str
) -> list[IncomingEvent | IngestResult]:
    """The events of a request, and why others are none, in the order of the request.

    `agency` is the code that events without one are for. Raises BadJson where the body
    as a whole, or the only event in it, is no JSON; TooManyEvents.
    """
    items = _split(body)
    if len(items) > MOST_EVENTS:
        raise TooManyEvents(f"At most {MOST_EVENTS} events a request.")
    read = _read_event if content_type == JSON else _read_cloud_event
    return [_read(read, item, agency) for item in items]


def answer_of(verdicts: Sequence[IngestResult]) -> bytes:
    """The verdicts as JSON, in order, and how many there are of each kind."""
    counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
    results = []
    for index, one in enumerate(verdicts):
        counts[one.status] += 1
        results.append(Result(index, one.status, one.code, one.field, one.message))
    return msgspec.json.encode(Answer(**counts, results=results))


def _split(body: bytes) -> list[bytes]:
    """The events of a body, each as it stands there.

    A bad byte in one of them costs that one: what is broken as a whole is cut apart by
    its strings and brackets. Raises BadJson.
    """
    if body.lstrip()[:1] != b"[":
        return [_whole(body)]
    try:
        return [bytes(item) for item in _items(body)]
    except (msgspec.DecodeError, RecursionError):
        return _cut(body)


def _whole(body: bytes) -> bytes:
    """A body that is one event. Raises BadJson."""
    try:
        _item(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadJson(f"Not JSON: {error}") from error
    return body


def _cut(body: bytes) -> list[bytes]:
    records = split_records(BytesIO(body), container=b"[", longest=LONGEST_EVENT)
    try:
        return list(islice(records, MOST_EVENTS + 1))
    except Unreadable as reason:
        raise BadJson(f"Not JSON: {reason}") from reason


def _read_event(item: bytes, agency: str) -> IncomingEvent:
    told = decode_json(item, _event, members=_members_of_event)
    return IncomingEvent(
        source=told.source,
        id=told.id,
        agency=told.agency or agency,
        agent=told.agent,
        meter=told.meter,
        quantity=quantity_of(told.quantity),
        occurred_at=told.occurred_at,
        properties=told.properties,
        supersedes=told.supersedes,
    )


def _members_of_event(told: Event) -> int:
    """How many keys it has, or fewer, where some are empty or nested."""
    optional = (told.agency, told.agent, told.supersedes)
    keys = NEEDED + len(optional) - optional.count(None)
    return keys + len(told.properties) + bool(told.properties)


def _read_cloud_event(item: bytes, agency: str) -> IncomingEvent:
    return event_of(decode_json(item, _cloud), agency=agency)


def _read(
    read: Callable[[bytes, str], IncomingEvent], item: bytes, agency: str
) -> IncomingEvent | IngestResult:
    """One event, or the reason why it is rejected."""
    if len(item) > LONGEST_EVENT:
        message = f"An event has at most {LONGEST_EVENT} bytes."
        return rejected("event_too_large", "", message)
    try:
        return read(item, agency)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _WHERE.search(text)
        return rejected("bad_event", found[1] if found else "", _WHERE.sub("", text))
    except BadQuantity as error:
        return rejected("bad_event", "quantity", str(error))
    except JsonRefused as refusal:
        return rejected(refusal.code, refusal.field or "", refusal.message)


@extend_schema_field(OpenApiTypes.STR)
class Plain(serializers.Field):  # type: ignore[type-arg]
    """A decimal as text, without idle zeros."""

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


@extend_schema_field(OpenApiTypes.STR)
class Money(serializers.Field):  # type: ignore[type-arg]
    """An amount with all places of its currency: 50.00 USD, 50 JPY, 50.000 KWD.

    `currency` is where the currency stands: at the object itself, or after a slash at
    the outermost one.
    """

    def __init__(self, *, currency: str = "currency", **options: Any) -> None:
        super().__init__(**options)
        self.currency = currency

    def get_attribute(self, instance: Any) -> tuple[Decimal | None, str]:
        holder = self.root.instance if self.currency.startswith("/") else instance
        path = self.currency.strip("/").split(".")
        return super().get_attribute(instance), get_attribute(holder, path)

    def to_representation(self, value: tuple[Decimal | None, str]) -> str | None:
        amount, currency = value
        return None if amount is None else money_text(amount, currency)


class EventFilter(serializers.Serializer[Any]):
    """What usage is narrowed to; dates are local to the agency, `to` not included."""

    agency = serializers.CharField(required=False, help_text="A code; the key's own.")
    month = serializers.CharField(required=False, max_length=7, help_text="2026-10")
    meter = serializers.CharField(required=False, help_text="A code.")
    agent = serializers.CharField(
        required=False, allow_blank=True, help_text="Empty: no agent."
    )
    dial_mode = serializers.CharField(
        required=False, allow_blank=True, help_text="Empty: no dial mode."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        dates = {name: LocalDate(required=False) for name in ("from", "to")}
        return {**super().get_fields(), **dates}


class UsageFilter(EventFilter):
    """What usage is narrowed to, and what it is grouped by."""

    downline = serializers.BooleanField(
        default=False, help_text="With everybody who is below the agency today."
    )
    group_by = serializers.CharField(
        default="meter",
        allow_blank=True,
        help_text="Any of day, agent, meter, dial_mode, agency, with commas.",
    )


class TotalOut(serializers.Serializer[Any]):
    """Sums of a group; of the group's names those that were asked for.

    `raw` and `billable` are in raw units; `quantity` is in the billed `unit`, and
    both are null where units are mixed.
    """

    agency = serializers.CharField(required=False)
    day = serializers.DateField(required=False)
    meter = serializers.CharField(required=False)
    agent = serializers.CharField(required=False, allow_null=True)
    dial_mode = serializers.CharField(required=False)
    events = serializers.IntegerField()
    raw = Plain()
    billable = Plain()
    quantity = Plain(allow_null=True)
    unit = serializers.CharField(allow_null=True)


@extend_schema_serializer(many=False)
class TotalsOut(serializers.Serializer[Any]):
    """Totals of usage. `agency` is null where they are of all agencies."""

    agency = serializers.CharField(allow_null=True)
    group_by = serializers.ListField(child=serializers.CharField())
    results = TotalOut(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        dates = {
            name: serializers.DateField(allow_null=True) for name in ("from", "to")
        }
        return {**super().get_fields(), **dates}


class EventOut(serializers.ModelSerializer[UsageEvent]):
    """An event as it was told and counted; quantities in raw units.

    `reversal`: it takes another event back and is below zero. `supersedes`: the id of
    the event whose place it takes.
    """

    id = serializers.CharField(source="external_id")
    agency = serializers.CharField(source="agency.code")
    agent = serializers.CharField(source="agent.external_id", allow_null=True)
    meter = serializers.CharField(source="meter.code")
    dial_mode = serializers.CharField(source="breakdown")
    quantity = Plain(source="raw")
    billable = Plain()
    reversal = serializers.SerializerMethodField()

    class Meta:
        model = UsageEvent
        fields = [
            "id", "source", "agency", "agent", "meter", "dial_mode", "occurred_at",
            "quantity", "billable", "used_on", "received_at", "properties", "reversal",
            "supersedes",
        ]  # fmt: skip

    def get_reversal(self, event: UsageEvent) -> bool:
        return event.reverses is not None
