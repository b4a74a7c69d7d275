"""Pages of events by where they stand: right with any number of them on one date."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.core.signing import BadSignature, dumps, loads
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from billing.metering.models import UsageEvent
from seats.errors import Refusal

PAGE = 100
LARGEST_PAGE = 1_000
NEWEST, OLDEST = "newest", "oldest"


class BadCursor(Refusal):
    code = "bad_cursor"
    status = 400


class BadLimit(Refusal):
    code = "bad_limit"
    status = 400


class BadOrder(Refusal):
    code = "bad_order"
    status = 400


class ByDateAndId(BasePagination):
    """`?limit=` events a page, by (date, id); `next` goes on after the last one.

    A cursor names a place and not a page, so what is added meanwhile moves nothing.
    It is signed, and of one order.
    """

    parameters = ("limit", "order", "cursor")

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any]:
        told = request.query_params
        limit = _limit(told)
        self._order = _order(told)
        self._url = request.build_absolute_uri()
        if "cursor" in told:
            used_on, last = _place(told["cursor"], self._order)
            queryset = _after(queryset, used_on, last, self._order)
        sign = "-" if self._order == NEWEST else ""
        rows = list(queryset.order_by(f"{sign}used_on", f"{sign}id")[: limit + 1])
        self._page = rows[:limit]
        self._more = len(rows) > limit
        return self._page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next(), "results": data})

    def _next(self) -> str | None:
        if not self._more:
            return None
        last = self._page[-1]
        place = [self._order, last.used_on.isoformat(), last.id]
        cursor = dumps(place, salt=__name__)
        return replace_query_param(self._url, "cursor", cursor)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {"type": ["string", "null"], "format": "uri"},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        page = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}
        order = {"type": "string", "enum": [NEWEST, OLDEST]}
        shapes = {"cursor": {"type": "string"}, "limit": page, "order": order}
        return [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in shapes.items()
        ]


def _limit(told: Mapping[str, str]) -> int:
    text = told.get("limit", str(PAGE))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise BadLimit(f"From 1 to {LARGEST_PAGE}.", field="limit")
    return min(int(text), LARGEST_PAGE)


def _order(told: Mapping[str, str]) -> str:
    order = told.get("order", NEWEST)
    if order not in (NEWEST, OLDEST):
        raise BadOrder(f"{NEWEST} or {OLDEST}.", field="order")
    return order


def _place(cursor: str, order: str) -> tuple[date, int]:
    """The date and id that a cursor of this order names."""
    try:
        told, used_on, last = loads(cursor, salt=__name__)
    except BadSignature as error:
        raise BadCursor("Not a cursor of ours.", field="cursor") from error
    if told != order:
        raise BadCursor("A cursor of another order.", field="cursor")
    return date.fromisoformat(used_on), last


def _after(
    rows: QuerySet[UsageEvent], used_on: date, last: int, order: str
) -> QuerySet[UsageEvent]:
    if order == NEWEST:
        beyond = Q(used_on__lt=used_on) | Q(used_on=used_on, id__lt=last)
        return rows.filter(beyond, used_on__lte=used_on)
    beyond = Q(used_on__gt=used_on) | Q(used_on=used_on, id__gt=last)
    return rows.filter(beyond, used_on__gte=used_on)
