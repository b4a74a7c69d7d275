"""Pages that stay right while rows are added: by cursor, in the order of ids."""

from rest_framework.pagination import CursorPagination


class ByCursor(CursorPagination):
    """`?limit=` rows a page, 100 unless told, and links to the pages around it."""

    ordering = "pk"
    page_size = 100
    max_page_size = 1_000
    page_size_query_param = "limit"
