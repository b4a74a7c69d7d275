"""The doors of usage: events in and out, and their totals."""

from datetime import date
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from billing.metering.events import IncomingEvent, IngestResult
from billing.metering.formats.cloudevents import CloudEvent
from billing.metering.pagination import ByDateAndId
from billing.metering.queries import usage_events, usage_totals
from billing.metering.serializers import (
    CLOUD_EVENT,
    CLOUD_EVENTS,
    JSON,
    Answer,
    Event,
    EventFilter,
    EventOut,
    TotalsOut,
    UsageFilter,
    answer_of,
    decode_events,
)
from billing.metering.services import ingest_events
from seats.access import reached_by
from seats.described import schema_of
from seats.errors import Refusal
from seats.keys.views import KeyView
from seats.models import Agency
from seats.periods import DateRange, month_of, month_range

MOST_BYTES = 8 * 1024 * 1024
NARROWS = ("meter", "agent", "dial_mode")


class BodyTooLarge(Refusal):
    code = "body_too_large"
    status = 413


class LengthRequired(Refusal):
    code = "length_required"
    status = 411


class BadRange(Refusal):
    code = "bad_range"
    status = 400


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
    """Take events in, each counted once for ever, and show them again."""

    required_scope = {"GET": "usage:read", "POST": "usage:write"}
    parser_classes = [RawJson, RawCloudEvent, RawCloudEvents]
    pagination_class = ByDateAndId
    serializer_class = EventOut

    @extend_schema(
        operation_id="list_usage_events",
        summary="Usage events of an agency, by local date",
        parameters=[EventFilter],
        responses=EventOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(EventFilter, request.query_params)
        events = usage_events(
            agency_id=self.agency(told.get("agency", "")).pk,
            dates=_dates(self, told) or DateRange(date.min, None),
            **_narrowed(told),
        )
        return self.page(events, EventOut)

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

    def _ingest(self, told: list[IncomingEvent | IngestResult]) -> list[IngestResult]:
        events = [one for one in told if isinstance(one, IncomingEvent)]
        owner = self.key.agency_id or 0
        verdicts = iter(
            ingest_events(events, owner=owner, within=self.reached, now=self.now)
        )
        return [
            one if isinstance(one, IngestResult) else next(verdicts) for one in told
        ]


class UsageView(KeyView):
    """How much was used, from the totals of days."""

    required_scope = "usage:read"
    pagination_class = None

    @extend_schema(
        operation_id="get_usage",
        summary="Totals of an agency: this month's by meter unless told otherwise",
        parameters=[UsageFilter],
        responses=TotalsOut,
    )
    def get(self, request: Request) -> Response:
        told = self.checked(UsageFilter, request.query_params)
        code = told.get("agency", "")
        # Only a key of the platform, which names nobody, asks for everybody.
        agency = self.agency(code) if code or self.key.agency else None
        dates = _dates(self, told) or month_range(month_of(self._today(agency)))
        groups = [name for name in told["group_by"].split(",") if name]
        totals = usage_totals(
            agency_ids=self._ids(agency, downline=told["downline"]),
            dates=dates,
            group_by=list(dict.fromkeys(groups)),
            **_narrowed(told),
        )
        answer = {
            "agency": agency.code if agency else None,
            "from": dates.start,
            "to": dates.end,
            "group_by": groups,
            "results": [total.as_row() for total in totals],
        }
        return Response(answer)

    def _today(self, agency: Agency | None) -> date:
        return self.today(agency) if agency else self.now.date()

    def _ids(self, agency: Agency | None, *, downline: bool) -> set[int] | None:
        if agency is None:
            return None
        if not downline:
            return {agency.pk}
        below = reached_by(agency.pk, now=self.now)
        return below if self.reached is None else below & self.reached


def _narrowed(told: dict[str, Any]) -> dict[str, str]:
    return {name: told[name] for name in NARROWS if name in told}


def _dates(view: KeyView, told: dict[str, Any]) -> DateRange | None:
    """The dates that were asked for; None: nothing was said."""
    start, end = told.get("from"), told.get("to")
    if "month" in told:
        if start or end:
            raise BadRange("Either a month, or from and to.", field="month")
        return month_range(view.month(told["month"]))
    if start is None and end is None:
        return None
    if start and end and start >= end:
        raise BadRange("`to` is not included and lies after `from`.", field="to")
    return DateRange(start or date.min, end)


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
