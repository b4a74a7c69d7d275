"""Cells, filters and search of the admin's lists: amounts, months, document numbers."""

import re
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Max, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.money import money_label
from core.parsing import values
from core.periods import months_between, next_month

MONTHS_LISTED = 24
DOCUMENT_NUMBER = re.compile(r"(?:(?P<payer>.*)-)?(?P<number>\d{1,9})", re.DOTALL)


def money_cell(amount: Decimal, currency: str) -> SafeString:
    """An amount with separators and its currency, aligned right."""
    return format_html('<span class="money">{}</span>', money_label(amount, currency))


class MonthFilter(admin.SimpleListFilter):
    """Filters rows by month; offers the latest 24 months.

    `path` is the lookup of the date column, which must have an index: its smallest and
    largest value are read on every page.
    """

    title = "month"
    parameter_name = "month"
    path = "month"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        column = self.path
        rows = self.rows(request, model_admin).order_by()
        bounds = rows.aggregate(first=Min(column), last=Max(column))
        if bounds["first"] is None:
            return []
        months = months_between(bounds["first"].replace(day=1), bounds["last"])
        newest = reversed(months[-MONTHS_LISTED:])
        return [(f"{month:%Y-%m}", f"{month:%B %Y}") for month in newest]

    def rows(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> QuerySet[Any]:
        """The rows whose months are offered."""
        rows: QuerySet[Any] = model_admin.model._default_manager.all()
        return rows

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = self.value()
        if text is None:
            return queryset
        try:
            first = values.parse_month(text)
        except ValueError:
            return queryset.none()
        within = {f"{self.path}__gte": first, f"{self.path}__lt": next_month(first)}
        return queryset.filter(**within)


class RunMonthFilter(MonthFilter):
    """Filters rows by the month of their run."""

    path = "run__month"


class ByPrintedNumber:
    """Adds search by document number: SUNRISE-00002, 00002, or 2.

    `documents` is the lookup from a row to its document; empty if the row is a document.
    """

    documents = ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        matches, duplicates = super().get_search_results(  # type: ignore[misc]
            request, queryset, search_term
        )
        parts = DOCUMENT_NUMBER.fullmatch(search_term.strip())
        if parts is None or not parts["number"].isascii():
            return matches, duplicates
        prefix = f"{self.documents}__" if self.documents else ""
        has_number = Q(**{f"{prefix}number": int(parts["number"])})
        if parts["payer"] is not None:
            has_number &= Q(**{f"{prefix}payer__code__iexact": parts["payer"]})
        by_number = queryset.filter(has_number).values("pk")
        return queryset.filter(
            Q(pk__in=matches.values("pk")) | Q(pk__in=by_number)
        ), False
