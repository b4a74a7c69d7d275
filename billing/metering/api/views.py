"""The usage API: post events, list them, and read totals."""

from datetime import date
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.metering.api.bodies import RawParser, body_of
from billing.metering.api.pagination import ByDateAndId
from billing.metering.api.serializers import (
    CLOUD_EVENT,
    CLOUD_EVENTS,
    JSON,
    EventFilter,
    EventOut,
    IngestResponse,
    TotalsOut,
    UsageEventInput,
    UsageFilter,
    decode_events,
    encode_results,
)
from billing.metering.domain.events import IncomingEvent, IngestResult
from billing.metering.domain.formats.cloudevents import CloudEvent
from billing.metering.domain.scopes import UsageScope
from billing.metering.queries.usage import usage_events, usage_totals
from billing.metering.services.ingest import ingest_events
from core.errors import Kind, Refusal
from core.openapi import schema_of
from core.periods import DateRange, month_of, month_range
from seats.access.queries import reached_by
from seats.api_keys.api.views import KeyView
from seats.models import Agency

FILTERS = ("meter", "agent", "dial_mode")


class BadRange(Refusal):
    """The parameters do not form a date range.

    Send either `month`, or `from` and a later `to`.
    """

    code = "bad_range"
    kind = Kind.MALFORMED


class RawJson(RawParser):
    media_type = JSON


class RawCloudEvent(RawParser):
    media_type = CLOUD_EVENT


class RawCloudEvents(RawParser):
    media_type = CLOUD_EVENTS


class UsageEventsView(KeyView):
    """Post usage events, each counted at most once, and list them."""

    required_scope = {"GET": UsageScope.READ, "POST": UsageScope.WRITE}
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
        params = self.checked(EventFilter, request.query_params)
        events = usage_events(
            agency_id=self.agency(params.get("agency", "")).pk,
            dates=_dates(self, params) or DateRange(date.min, None),
            **_filters(params),
        )
        return self.page(events, EventOut)

    @extend_schema(
        operation_id="post_usage_events",
        summary="Post up to 10,000 usage events (8 MiB)",
        request={
            JSON: {
                "oneOf": [
                    schema_of(UsageEventInput),
                    {
                        "type": "array",
                        "items": schema_of(UsageEventInput),
                        "maxItems": 10_000,
                    },
                ]
            },
            CLOUD_EVENT: schema_of(CloudEvent),
            CLOUD_EVENTS: {"type": "array", "items": schema_of(CloudEvent)},
        },
        responses={(200, JSON): schema_of(IngestResponse)},
    )
    def post(self, request: Request) -> HttpResponse:
        decoded = decode_events(
            body_of(request),
            request.content_type.partition(";")[0].strip().lower(),
            agency=self.key.agency.code if self.key.agency else "",
        )
        body = encode_results(self._ingest(decoded))
        return HttpResponse(body, content_type="application/json")

    def _ingest(
        self, decoded: list[IncomingEvent | IngestResult]
    ) -> list[IngestResult]:
        events = [entry for entry in decoded if isinstance(entry, IncomingEvent)]
        owner = self.key.agency_id or 0
        results = iter(
            ingest_events(
                events, owner=owner, allowed_agency_ids=self.reached, now=self.now
            )
        )
        return [
            entry if isinstance(entry, IngestResult) else next(results)
            for entry in decoded
        ]


class UsageView(KeyView):
    """Totals of usage."""

    required_scope = UsageScope.READ
    pagination_class = None

    @extend_schema(
        operation_id="get_usage",
        summary="Usage totals of an agency; by default, this month by meter",
        parameters=[UsageFilter],
        responses=TotalsOut,
    )
    def get(self, request: Request) -> Response:
        params = self.checked(UsageFilter, request.query_params)
        code = params.get("agency", "")
        # A platform key without the `agency` parameter reads the totals of all agencies.
        agency = self.agency(code) if code or self.key.agency else None
        dates = _dates(self, params) or month_range(month_of(self._today(agency)))
        groups = [name for name in params["group_by"].split(",") if name]
        totals = usage_totals(
            agency_ids=self._agency_ids(agency, downline=params["downline"]),
            dates=dates,
            group_by=list(dict.fromkeys(groups)),
            agent_ids=(),
            **_filters(params),
        )
        payload = {
            "agency": agency.code if agency else None,
            "from": dates.start,
            "to": dates.end,
            "group_by": groups,
            "results": [total.as_row() for total in totals],
        }
        return Response(payload)

    def _today(self, agency: Agency | None) -> date:
        return self.today(agency) if agency else self.now.date()

    def _agency_ids(self, agency: Agency | None, *, downline: bool) -> set[int] | None:
        if agency is None:
            return None
        if not downline:
            return {agency.pk}
        below = reached_by(agency.pk, now=self.now)
        return below if self.reached is None else below & self.reached


def _filters(params: dict[str, Any]) -> dict[str, str]:
    return {name: params[name] for name in FILTERS if name in params}


def _dates(view: KeyView, params: dict[str, Any]) -> DateRange | None:
    """The date range of the request; None if it has none. Raises BadRange."""
    start, end = params.get("from"), params.get("to")
    if "month" in params:
        if start or end:
            raise BadRange(
                "`month` cannot be combined with `from` or `to`. Send either `month`, or"
                " `from` and `to`.",
                field="month",
            )
        return month_range(view.month(params["month"]))
    if start is None and end is None:
        return None
    if start and end and start >= end:
        raise BadRange(
            f"`to` is {end}, which is not after `from` ({start}). `to` is exclusive:"
            " send a later date.",
            field="to",
        )
    return DateRange(start or date.min, end)
