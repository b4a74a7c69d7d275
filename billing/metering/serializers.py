"""Usage as the API takes it and tells it. No queries.

What is taken is decoded by msgspec, every event by itself, so that one bad event never
costs a good one.
"""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.fields import get_attribute

from billing.metering.events import IncomingEvent, Verdict, rejected
from billing.metering.formats.cloudevents import CloudEvent, Instant, event_of
from billing.metering.models import UsageEvent
from billing.money import money_text, plain
from seats.errors import Refusal
from seats.serializers import LocalDate

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


class Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
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


_item = msgspec.json.Decoder(msgspec.Raw)
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
    try:
        if body.lstrip()[:1] != b"[":
            return [_item.decode(body)]
        return _items.decode(body)
    except _NOT_DECODED as error:
        raise BadBody(f"Not JSON: {error}") from error


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
