"""The public price list, and what a month would cost under it. No key is needed."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.money import minor_digits
from billing.pricing.models import PriceList
from billing.pricing.queries import published_price_list, published_terms
from billing.pricing.quoting import quote
from billing.pricing.scenarios import (
    BadScenario,
    Scenario,
    decode_scenario,
    parse_month,
)
from billing.pricing.services import list_content
from seats.described import schema_of


class PublicView(APIView):
    """A route that says the same to everybody."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]


class PriceListView(PublicView):
    """The one published list of a currency and month."""

    @extend_schema(
        operation_id="get_price_list",
        summary="The price list, the same for every agency",
        parameters=[
            OpenApiParameter("currency", str, description="USD"),
            OpenApiParameter("month", str, description="2026-10; this month without"),
        ],
        responses=OpenApiTypes.OBJECT,
        auth=[],
    )
    def get(self, request: Request) -> Response:
        told = request.query_params
        month = parse_month(told.get("month") or f"{timezone.now():%Y-%m}")
        currency = told.get("currency") or "USD"
        minor_digits(currency)
        terms = published_price_list(currency, month)
        assert terms.list_id
        row = PriceList.objects.get(pk=terms.list_id)
        content = list_content(
            published_terms(row.pk), row.starts_on, row.seat_includes
        )
        return Response({**content, "hash": row.content_hash})


class QuoteView(PublicView):
    """One bill from a scenario, as the `quote` command gives it; nothing is kept."""

    @extend_schema(
        operation_id="quote",
        summary="What a month would cost",
        request={"application/json": schema_of(Scenario)},
        responses=OpenApiTypes.OBJECT,
        auth=[],
    )
    def post(self, request: Request) -> Response:
        try:
            body = request.body
        except RequestDataTooBig as error:
            raise BadScenario("too_large", "The scenario is too large.") from error
        except ValueError as error:
            raise BadScenario("bad_json", "The Content-Length is no number.") from error
        return Response(quote(decode_scenario(body), published_price_list))
