"""The door for usage events."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from billing.metering.events import IncomingEvent, Verdict
from billing.metering.formats.cloudevents import CloudEvent
from billing.metering.serializers import (
    CLOUD_EVENT,
    CLOUD_EVENTS,
    JSON,
    Answer,
    Event,
    answer_of,
    decode_events,
)
from billing.metering.services import ingest_events
from seats.described import schema_of
from seats.errors import Refusal
from seats.keys.views import KeyView

MOST_BYTES = 8 * 1024 * 1024


class BodyTooLarge(Refusal):
    code = "body_too_large"
    status = 413


class LengthRequired(Refusal):
    code = "length_required"
    status = 411


class RawParser(BaseParser):
    """The bytes as they came; decoding is the serializers' work."""

    def parse(self, stream: Any, media_type: Any = None, context: Any = None) -> Any:
        return bytes(stream.read(MOST_BYTES + 1))


class RawJson(RawParser):
    media_type = JSON


class RawCloudEvent(RawParser):
    media_type = CLOUD_EVENT


class RawCloudEvents(RawParser):
    media_type = CLOUD_EVENTS


class UsageEventsView(KeyView):
    """Take events in: each counted once for ever, a verdict for each."""

    required_scope = "usage:write"
    parser_classes = [RawJson, RawCloudEvent, RawCloudEvents]

    @extend_schema(
        operation_id="post_usage_events",
        summary="Take in up to 10,000 usage events, or 8 MiB",
        request={
            JSON: {
                "oneOf": [
                    schema_of(Event),
                    {"type": "array", "items": schema_of(Event), "maxItems": 10_000},
                ]
            },
            CLOUD_EVENT: schema_of(CloudEvent),
            CLOUD_EVENTS: {"type": "array", "items": schema_of(CloudEvent)},
        },
        responses={(200, JSON): schema_of(Answer)},
    )
    def post(self, request: Request) -> HttpResponse:
        told = decode_events(
            _body_of(request),
            request.content_type.partition(";")[0].strip().lower(),
            agency=self.key.agency.code if self.key.agency else "",
        )
        answer = answer_of(self._ingest(told))
        return HttpResponse(answer, content_type="application/json")

    def _ingest(self, told: list[IncomingEvent | Verdict]) -> list[Verdict]:
        events = [one for one in told if isinstance(one, IncomingEvent)]
        owner = self.key.agency_id or 0
        verdicts = iter(
            ingest_events(events, owner=owner, within=self.reached, now=self.now)
        )
        return [one if isinstance(one, Verdict) else next(verdicts) for one in told]


def _body_of(request: Request) -> bytes:
    """What was sent, whole and as it is, or why not."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMediaType(encoding, "Send it without Content-Encoding.")
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired("Send it with a Content-Length.")
    length = request.headers.get("Content-Length") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise LengthRequired("The Content-Length is no number.")
    if int(length) > MOST_BYTES:
        raise BodyTooLarge(f"At most {MOST_BYTES} bytes.")
    body = request.data
    return body if isinstance(body, bytes) else b""
