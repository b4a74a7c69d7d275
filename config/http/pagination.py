"""Pagination by cursor in the order of ids, stable while rows are added."""

from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from core.parsing.values import shown

MOST_DIGITS = 18  # of a number that the database can compare
BAD_CURSOR = "The cursor is not valid for this list. Use the `next` and `previous` links of a page."


class ByCursor(CursorPagination):
    """Pages of `?limit=` rows (default 100), with links to the next and previous page."""

    parameters = ("limit", "cursor")
    ordering = "pk"
    page_size = 100
    max_page_size = 1_000
    page_size_query_param = "limit"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The position of the page. Raises ValidationError for an invalid cursor."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _invalid("cursor", BAD_CURSOR) from error
        if cursor and not (cursor.offset or _is_number(str(cursor.position))):
            raise _invalid("cursor", BAD_CURSOR)
        return cursor

    def get_page_size(self, request: Request) -> int:
        """The number of rows, at most `max_page_size`. Raises ValidationError."""
        limit = request.query_params.get(self.page_size_query_param)
        if limit is None:
            return self.page_size
        if not _is_number(limit) or int(limit) == 0:
            raise _invalid(
                "limit",
                f"{shown(limit)} is not a valid limit. Use a number from 1 to"
                f" {self.max_page_size}.",
            )
        return min(int(limit), self.max_page_size)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema of a page; `next` and `previous` are null at the ends."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "properties": {"next": link, "previous": link, "results": schema},
            "required": ["next", "previous", "results"],
        }


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def _invalid(name: str, message: str) -> ValidationError:
    return ValidationError({name: [message]}, "invalid")
