"""How the admin's lists show amounts, months, and find documents by printed numbers."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Max, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.money import money_label
from seats.periods import months_between, next_month

MONTHS_LISTED = 24
PRINTED = re.compile(r"(?:(?P<payer>.*)-)?(?P<number>\d{1,9})", re.DOTALL)


def money_cell(amount: Decimal, currency: str) -> SafeString:
    """An amount with separators and its currency, at the right of its column."""
    return format_html('<span class="money">{}</span>', money_label(amount, currency))


class MonthFilter(admin.SimpleListFilter):
    """Rows of one month, by the first of it; the newest months are offered.

    `path` leads to the date column, `bounds_of` gives the rows whose first and last
    month are asked for: one look at an index each.
    """

    title = "month"
    parameter_name = "month"
    path = "month"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        column = self.path
        rows = model_admin.model._default_manager.order_by()
        bounds = rows.aggregate(first=Min(column), last=Max(column))
        if bounds["first"] is None:
            return []
        months = months_between(bounds["first"].replace(day=1), bounds["last"])
        newest = reversed(months[-MONTHS_LISTED:])
        return [(f"{month:%Y-%m}", f"{month:%B %Y}") for month in newest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        try:
            first = date.fromisoformat(f"{value}-01")
        except ValueError:
            return queryset.none()
        within = {f"{self.path}__gte": first, f"{self.path}__lt": next_month(first)}
        return queryset.filter(**within)


class RunMonthFilter(MonthFilter):
    """Rows that belong to a run, by its month."""

    path = "run__month"


class ByPrintedNumber:
    """Search that knows printed numbers: SUNRISE-00002, 00002, or 2.

    `documents` leads from a row to its document; empty: the row is one.
    """

    documents = ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, duplicates = super().get_search_results(  # type: ignore[misc]
            request, queryset, search_term
        )
        printed = PRINTED.fullmatch(search_term.strip())
        if printed is None or not printed["number"].isascii():
            return found, duplicates
        to = f"{self.documents}__" if self.documents else ""
        numbered = Q(**{f"{to}number": int(printed["number"])})
        if printed["payer"] is not None:
            numbered &= Q(**{f"{to}payer__code__iexact": printed["payer"]})
        by_number = queryset.filter(numbered).values("pk")
        return queryset.filter(
            Q(pk__in=found.values("pk")) | Q(pk__in=by_number)
        ), False
