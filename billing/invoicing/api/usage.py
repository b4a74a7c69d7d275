"""The API routes of details: calls and seats behind lines, rounding, and forecasts."""

from datetime import date
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from billing.invoicing.api.documents import document_of
from billing.invoicing.api.serializers import (
    AgencyMonthFilter,
    ForecastOut,
    RoundingOut,
    SeatsOut,
)
from billing.invoicing.domain.downloads import DOWNLOADS
from billing.invoicing.domain.scopes import InvoiceScope
from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.queries.calls import calls_behind
from billing.invoicing.queries.month_usage import month_forecast, rounding_report
from billing.invoicing.queries.statements import seats_behind
from billing.metering.domain.scopes import UsageScope
from core.errors import Kind, NotFound, Refusal
from core.parsing.values import shown
from core.periods import month_of
from seats.api_keys.api.views import KeyView


class UnknownDownloadFormat(Refusal):
    """The format does not exist, or the format of the file was not recognized.

    Choose one of the formats that `detail` lists.
    """

    code = "unknown_format"
    kind = Kind.MALFORMED


class CsvFile(BaseRenderer):
    format = "csv"
    media_type = DOWNLOADS["csv"].media_type


class ParquetFile(BaseRenderer):
    format = "parquet"
    media_type = DOWNLOADS["parquet"].media_type


class FormatNegotiation(DefaultContentNegotiation):
    """Chooses a renderer by `?format=`, else by the Accept header."""

    def filter_renderers(self, renderers: Any, format: str) -> Any:
        matching = [renderer for renderer in renderers if renderer.format == format]
        if not matching:
            formats = " or ".join(renderer.format for renderer in renderers)
            message = f"Unknown format {shown(format)}. Use {formats}."
            raise UnknownDownloadFormat(message, field="format")
        return matching


class LineCallsView(KeyView):
    """Every call behind a usage line, as a file."""

    required_scope = InvoiceScope.READ
    pagination_class = None
    renderer_classes = [CsvFile, ParquetFile]
    content_negotiation_class = FormatNegotiation

    @extend_schema(
        operation_id="download_line_calls",
        summary="Download every call behind a usage line",
        parameters=[OpenApiParameter("format", str, enum=sorted(DOWNLOADS))],
        responses={
            (200, CsvFile.media_type): OpenApiTypes.STR,
            (200, ParquetFile.media_type): OpenApiTypes.BINARY,
        },
    )
    def get(
        self, request: Request, public_id: UUID, position: int
    ) -> StreamingHttpResponse:
        line = _line_of(self, public_id, position, DocumentLine.Kind.USAGE)
        return calls_file(line, request.accepted_renderer.format)


class LineSeatsView(KeyView):
    """Each seat and holder behind a seat line."""

    required_scope = InvoiceScope.READ
    pagination_class = None

    @extend_schema(
        operation_id="get_line_seats",
        summary="List the seats and holders behind a seat line",
        responses=SeatsOut,
    )
    def get(self, request: Request, public_id: UUID, position: int) -> Response:
        line = _line_of(self, public_id, position, DocumentLine.Kind.SEAT)
        body = {
            "agency": line.agency.code,
            "month": f"{line.month:%Y-%m}",
            "currency": line.document.currency,
            "charge": line.charge,
            "includes": line.price_list.seat_includes,
            "seats": seats_behind(line),
        }
        return Response(SeatsOut(body).data)


class RoundingView(KeyView):
    """What an agency's month of calls would have cost with other increments."""

    required_scope = UsageScope.READ
    pagination_class = None

    @extend_schema(
        operation_id="get_usage_rounding",
        summary="Compare the cost of a month under other billing increments",
        parameters=[AgencyMonthFilter],
        responses=RoundingOut,
    )
    def get(self, request: Request) -> Response:
        params = self.checked(AgencyMonthFilter, request.query_params)
        agency = self.agency(params.get("agency", ""))
        month = _month(self, params, self.today(agency))
        body = {
            "agency": agency.code,
            "month": f"{month:%Y-%m}",
            "currency": agency.currency,
            "meters": rounding_report(agency=agency, month=month),
        }
        return Response(RoundingOut(body).data)


class ForecastView(KeyView):
    """An agency's month so far, and its forecast."""

    required_scope = UsageScope.READ
    pagination_class = None

    @extend_schema(
        operation_id="get_usage_forecast",
        summary="Forecast a month from its usage so far",
        parameters=[AgencyMonthFilter],
        responses=ForecastOut,
    )
    def get(self, request: Request) -> Response:
        params = self.checked(AgencyMonthFilter, request.query_params)
        agency = self.agency(params.get("agency", ""))
        today = self.today(agency)
        month = _month(self, params, today)
        body = {
            "agency": agency.code,
            "month": f"{month:%Y-%m}",
            "as_of": today,
            "forecast": month_forecast(agency=agency, month=month, today=today),
        }
        return Response(ForecastOut(body).data)


def calls_file(line: DocumentLine, kind: str) -> StreamingHttpResponse:
    """Stream the calls behind a usage line as a file; `kind` is `csv` or `parquet`."""
    download = DOWNLOADS[kind]
    label = line.document.label or f"draft-{line.document_id}"
    name = f"{label}-line-{line.position}-calls.{kind}"
    return StreamingHttpResponse(
        download.pieces(calls_behind(line)),
        content_type=download.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _month(view: KeyView, params: dict[str, Any], today: date) -> date:
    return view.month(params["month"]) if "month" in params else month_of(today)


def _line_of(
    view: KeyView, public_id: UUID, position: int, kind: DocumentLine.Kind
) -> DocumentLine:
    document = document_of(view, public_id)
    rows = DocumentLine.objects.filter(document=document, position=position, kind=kind)
    line = rows.select_related("document", "agency", "meter", "price_list").first()
    if line is None:
        raise NotFound
    return line
