"""The requests and responses of the usage API. No queries.

Posted events are decoded by msgspec, each on its own, so that a bad event does not
affect the others.
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

from billing.metering.domain.events import IncomingEvent, IngestResult, rejected
from billing.metering.domain.formats.cloudevents import CloudEvent, Instant, event_of
from billing.metering.domain.quantities import BadQuantity, Quantity, quantity_of
from billing.metering.models import UsageEvent
from core.errors import Kind, Refusal
from core.fields import LocalDate
from core.money import money_text, plain
from core.parsing.records import Unreadable, split_records
from core.parsing.strict_json import BadJson, JsonRefused, decode_json

MOST_EVENTS = 10_000
LONGEST_EVENT = 65_536
REQUIRED_KEYS = 5  # of an event
JSON = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class TooManyEvents(Refusal):
    """The request has more events than allowed.

    Send the events in several requests.
    """

    code = "too_many_events"
    kind = Kind.TOO_LARGE


class UsageEventInput(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A usage event. `quantity` is in raw units, `occurred_at` has a UTC offset.

    `supersedes` is the id of the event, of the same source, that this one replaces. A
    quantity of 0 voids that event.
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


class EventResult(msgspec.Struct, omit_defaults=True, gc=False):
    """The result of one event. `index` is its position in the request, from 0."""

    index: int
    status: str
    code: str = ""
    field: str = ""
    message: str = ""


class IngestResponse(msgspec.Struct):
    """The result of each event, and how many events have each status."""

    accepted: int
    duplicate: int
    rejected: int
    results: list[EventResult]


_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_event = msgspec.json.Decoder(UsageEventInput).decode
_decode_cloud_event = msgspec.json.Decoder(CloudEvent).decode
_PATH_SUFFIX = re.compile(r" - at `\$\.?(.*)`$")  # of msgspec's messages


def decode_events(
    body: bytes, content_type: str, *, agency: str
) -> list[IncomingEvent | IngestResult]:
    """The events of a request in order, with a rejection for each one that is invalid.

    `agency` is the code for events that name none. Raises BadJson if the body, or the
    only event in it, is not JSON, and TooManyEvents.
    """
    documents = _split(body)
    if len(documents) > MOST_EVENTS:
        raise TooManyEvents(
            f"The request has more than {MOST_EVENTS:,} events. Send them in several"
            " requests."
        )
    parse = _parse_event if content_type == JSON else _parse_cloud_event
    return [_parse_or_reject(parse, document, agency) for document in documents]


def encode_results(results: Sequence[IngestResult]) -> bytes:
    """The response body as JSON: each result in order, and the count of each status."""
    counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
    rows = []
    for index, result in enumerate(results):
        counts[result.status] += 1
        rows.append(
            EventResult(index, result.status, result.code, result.field, result.message)
        )
    return msgspec.json.encode(IngestResponse(**counts, results=rows))


def _split(body: bytes) -> list[bytes]:
    """The JSON document of each event in a body.

    A list that is not valid JSON is split by its strings and brackets, so that a bad
    byte affects one event only. Raises BadJson.
    """
    if body.lstrip()[:1] != b"[":
        return [_require_json(body)]
    try:
        return [bytes(document) for document in _decode_raw_list(body)]
    except (msgspec.DecodeError, RecursionError):
        return _split_invalid_list(body)


def _require_json(body: bytes) -> bytes:
    """Return the body if it is one JSON document. Raises BadJson."""
    try:
        _decode_raw(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadJson(f"The body is not valid JSON: {error}.") from error
    return body


def _split_invalid_list(body: bytes) -> list[bytes]:
    records = split_records(BytesIO(body), container=b"[", longest=LONGEST_EVENT)
    try:
        return list(islice(records, MOST_EVENTS + 1))
    except Unreadable as reason:
        raise BadJson(f"The body is not valid JSON: {reason}") from reason


def _parse_event(document: bytes, agency: str) -> IncomingEvent:
    payload = decode_json(document, _decode_event, members=_count_keys)
    return IncomingEvent(
        source=payload.source,
        id=payload.id,
        agency=payload.agency or agency,
        agent=payload.agent,
        meter=payload.meter,
        quantity=quantity_of(payload.quantity),
        occurred_at=payload.occurred_at,
        properties=payload.properties,
        supersedes=payload.supersedes,
    )


def _count_keys(payload: UsageEventInput) -> int:
    """The number of keys in its JSON, or fewer if some are null or nested."""
    optional = (payload.agency, payload.agent, payload.supersedes)
    keys = REQUIRED_KEYS + len(optional) - optional.count(None)
    return keys + len(payload.properties) + bool(payload.properties)


def _parse_cloud_event(document: bytes, agency: str) -> IncomingEvent:
    return event_of(decode_json(document, _decode_cloud_event), agency=agency)


def _parse_or_reject(
    parse: Callable[[bytes, str], IncomingEvent], document: bytes, agency: str
) -> IncomingEvent | IngestResult:
    if len(document) > LONGEST_EVENT:
        message = (
            f"The event has {len(document)} bytes; the limit is {LONGEST_EVENT} bytes."
        )
        return rejected("event_too_large", "", message)
    try:
        return parse(document, agency)
    except msgspec.ValidationError as error:
        text = str(error)
        path = _PATH_SUFFIX.search(text)
        message = f"{_PATH_SUFFIX.sub('', text)}."
        return rejected("bad_event", path[1] if path else "", message)
    except BadQuantity as error:
        return rejected("bad_event", "quantity", str(error))
    except JsonRefused as refusal:
        return rejected(refusal.code, refusal.field or "", refusal.message)


@extend_schema_field(OpenApiTypes.STR)
class Plain(serializers.Field):  # type: ignore[type-arg]
    """A decimal as text without trailing zeros."""

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


@extend_schema_field(OpenApiTypes.STR)
class Money(serializers.Field):  # type: ignore[type-arg]
    """An amount with the decimals of its currency: 50.00 USD, 50 JPY, 50.000 KWD.

    `currency` is the path of the currency on the object or, after a slash, on the
    outermost object.
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
    """Filters of usage. Dates are local to the agency; `to` is exclusive."""

    agency = serializers.CharField(
        required=False, help_text="Code of the agency. Defaults to the key's agency."
    )
    month = serializers.CharField(
        required=False, max_length=7, help_text="Month, such as 2026-10."
    )
    meter = serializers.CharField(required=False, help_text="Code of the meter.")
    agent = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="External id of the agent. Empty: usage without an agent.",
    )
    dial_mode = serializers.CharField(
        required=False, allow_blank=True, help_text="Empty: usage without a dial mode."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        dates = {name: LocalDate(required=False) for name in ("from", "to")}
        return {**super().get_fields(), **dates}


class UsageFilter(EventFilter):
    """Filters and groups of usage totals."""

    downline = serializers.BooleanField(
        default=False, help_text="Include the agencies that are in its downline today."
    )
    group_by = serializers.CharField(
        default="meter",
        allow_blank=True,
        help_text="Any of day, agent, meter, dial_mode, agency, separated by commas.",
    )


class TotalOut(serializers.Serializer[Any]):
    """The totals of one group, with the fields it is grouped by.

    `raw` and `billable` are in raw units; `quantity` is in the billed `unit`. Both
    `quantity` and `unit` are null if the group mixes units.
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
    """Usage totals. `agency` is null if they cover all agencies."""

    agency = serializers.CharField(allow_null=True)
    group_by = serializers.ListField(child=serializers.CharField())
    results = TotalOut(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        dates = {
            name: serializers.DateField(allow_null=True) for name in ("from", "to")
        }
        return {**super().get_fields(), **dates}


class EventOut(serializers.ModelSerializer[UsageEvent]):
    """A usage event as sent and counted. Quantities are in raw units.

    A `reversal` takes another event back and has negative quantities. `supersedes` is
    the id of the event that this one replaces.
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
