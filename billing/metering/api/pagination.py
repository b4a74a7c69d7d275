"""Cursor pagination of usage events, by date and id."""

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
from core.errors import Kind, Refusal
from core.parsing.values import shown

PAGE = 100
LARGEST_PAGE = 1_000
NEWEST, OLDEST = "newest", "oldest"


class BadCursor(Refusal):
    """The cursor is not valid for this list and order.

    Use the `next` link of a page, or start again without a cursor.
    """

    code = "bad_cursor"
    kind = Kind.MALFORMED


class BadLimit(Refusal):
    """The `limit` is not a whole number in the allowed range.

    Send a number within the range that `detail` states.
    """

    code = "bad_limit"
    kind = Kind.MALFORMED


class BadOrder(Refusal):
    """The `order` does not exist.

    Send one of the orders that `detail` lists.
    """

    code = "bad_order"
    kind = Kind.MALFORMED


class ByDateAndId(BasePagination):
    """Pages of `limit` events ordered by (date, id); `next` links to the next page.

    A cursor names the last event of a page, so events that are added later do not shift
    the pages. It is signed and holds for one `order`.
    """

    parameters = ("limit", "order", "cursor")

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any]:
        params = request.query_params
        limit = _limit(params)
        self._order = _order(params)
        self._url = request.build_absolute_uri()
        if "cursor" in params:
            used_on, last_id = _position(params["cursor"], self._order)
            queryset = _after(queryset, used_on, last_id, self._order)
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
        position = [self._order, last.used_on.isoformat(), last.id]
        cursor = dumps(position, salt=__name__)
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


def _limit(params: Mapping[str, str]) -> int:
    text = params.get("limit", str(PAGE))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise BadLimit(
            f"`limit` is {shown(text)}. Send a whole number from 1 to {LARGEST_PAGE}.",
            field="limit",
        )
    return min(int(text), LARGEST_PAGE)


def _order(params: Mapping[str, str]) -> str:
    order = params.get("order", NEWEST)
    if order not in (NEWEST, OLDEST):
        raise BadOrder(
            f"`order` is {shown(order)}. Send {NEWEST!r} or {OLDEST!r}.", field="order"
        )
    return order


def _position(cursor: str, order: str) -> tuple[date, int]:
    """The date and id of the last event of a page. Raises BadCursor."""
    try:
        cursor_order, used_on, last_id = loads(cursor, salt=__name__)
    except BadSignature as error:
        raise BadCursor(
            f"The cursor {shown(cursor)} is not valid. Use the `next` link of a page, or"
            " start again without a cursor.",
            field="cursor",
        ) from error
    if cursor_order != order:
        raise BadCursor(
            f"The cursor belongs to `order={cursor_order}`, but the request has"
            f" `order={order}`. Send the order of the cursor, or start again without a"
            " cursor.",
            field="cursor",
        )
    return date.fromisoformat(used_on), last_id


def _after(
    rows: QuerySet[UsageEvent], used_on: date, last_id: int, order: str
) -> QuerySet[UsageEvent]:
    if order == NEWEST:
        beyond = Q(used_on__lt=used_on) | Q(used_on=used_on, id__lt=last_id)
        return rows.filter(beyond, used_on__lte=used_on)
    beyond = Q(used_on__gt=used_on) | Q(used_on=used_on, id__gt=last_id)
    return rows.filter(beyond, used_on__gte=used_on)
