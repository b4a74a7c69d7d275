"""Pages that stay right while rows are added: by cursor, in the order of ids."""

from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

MOST_DIGITS = 18  # of a number that the database can compare


class ByCursor(CursorPagination):
    """`?limit=` rows a page, 100 unless told, and links to the pages around it."""

    parameters = ("limit", "cursor")
    ordering = "pk"
    page_size = 100
    max_page_size = 1_000
    page_size_query_param = "limit"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where to go on. Raises ValidationError for what none of our links says."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _bad("cursor") from error
        if cursor and not (cursor.offset or _is_number(str(cursor.position))):
            raise _bad("cursor")
        return cursor

    def get_page_size(self, request: Request) -> int:
        """How many rows; more than there can be are as many as can be.

        Raises ValidationError.
        """
        told = request.query_params.get(self.page_size_query_param)
        if told is None:
            return self.page_size
        if not _is_number(told) or int(told) == 0:
            raise _bad("limit")
        return min(int(told), self.max_page_size)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A page; without a page after or before it, that link is null."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "properties": {"next": link, "previous": link, "results": schema},
            "required": ["next", "previous", "results"],
        }


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def _bad(name: str) -> ValidationError:
    message = f"Not a {name} that we gave or know."
    return ValidationError({name: [message]}, "invalid")
