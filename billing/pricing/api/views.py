"""The public price list and quotes. These routes need no API key."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.utils import timezone
from django.utils.cache import patch_cache_control
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.pricing.domain.quoting import quote
from billing.pricing.domain.scenarios import (
    MAX_QUOTE_BYTES,
    BadScenario,
    Scenario,
    ScenarioTooLarge,
    check_size,
    decode_scenario,
    parse_month,
)
from billing.pricing.models import PriceList
from billing.pricing.queries import published_price_list, published_terms
from billing.pricing.services import list_content
from core.money import minor_digits
from core.openapi import schema_of


def _object(**properties: Any) -> dict[str, Any]:
    """The JSON schema of an object with exactly these fields, each a type or schema."""
    return {
        "type": "object",
        "properties": {
            name: {"type": kind.split("|")} if isinstance(kind, str) else kind
            for name, kind in properties.items()
        },
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


TIER = _object(up_to="string|null", unit_price="string", flat_fee="string")
RATE = _object(
    meter="string", minimum="string", increment="string", unit_size="string",
    model="string", unit_price="string|null", included_per_seat="string",
    package_size="string|null", tiers=_list(TIER),
)  # fmt: skip
PRICE_LIST = _object(
    code="string", currency="string", starts_on="string", seat_price="string",
    seat_includes=_list({"type": "string"}), rates=_list(RATE), hash="string",
)  # fmt: skip
LINE = _object(
    kind="string", meter="string|null", description="string", quantity="string",
    unit_price="string|null", amount="string",
)  # fmt: skip
SEAT = _object(agent="string", days="integer", amount="string")
BILL = _object(
    currency="string", lines=_list(LINE), seats=_list(SEAT), subtotal="string",
    total="string",
)  # fmt: skip


TOO_LARGE = (
    f"The scenario is too large. Send at most {MAX_QUOTE_BYTES} bytes, or use the"
    " `quote` command."
)


class PublicView(APIView):
    """A route without authentication."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]


class PriceListView(PublicView):
    """The published price list of a currency and month."""

    @extend_schema(
        operation_id="get_price_list",
        summary="The price list, the same for every agency",
        parameters=[
            OpenApiParameter(
                "currency", str, description="An ISO 4217 code. Default: USD."
            ),
            OpenApiParameter(
                "month", str, description="A month: 2026-10. Default: this month."
            ),
        ],
        responses={(200, "application/json"): PRICE_LIST},
        auth=[],
    )
    def get(self, request: Request) -> Response:
        params = request.query_params
        month = parse_month(params.get("month") or f"{timezone.now():%Y-%m}")
        currency = params.get("currency") or "USD"
        minor_digits(currency)
        terms = published_price_list(currency, month)
        assert terms.list_id
        row = PriceList.objects.get(pk=terms.list_id)
        content = list_content(
            published_terms(row.pk), row.starts_on, row.seat_includes
        )
        response = Response({**content, "hash": row.content_hash})
        patch_cache_control(response, public=True, max_age=60)
        return response


class QuoteView(PublicView):
    """Prices a scenario like the `quote` command. Nothing is stored."""

    rate = "QUOTE_REQUESTS_A_MINUTE"

    @extend_schema(
        operation_id="quote",
        summary="What a month would cost",
        request={"application/json": schema_of(Scenario)},
        responses={(200, "application/json"): BILL},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        try:
            body = request.body
        except RequestDataTooBig as error:
            raise ScenarioTooLarge(TOO_LARGE) from error
        except ValueError as error:
            raise BadScenario(
                "The Content-Length header is not a number.", code="bad_json"
            ) from error
        if len(body) > MAX_QUOTE_BYTES:
            raise ScenarioTooLarge(TOO_LARGE)
        scenario = decode_scenario(body)
        check_size(scenario)
        return Response(quote(scenario, published_price_list))
