"""What the pages of the audit on both sites have in common."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property

from core.admin.readonly import ReadOnlyAdmin
from core.parsing import values
from core.periods import ZonePeriod, instant_of, next_month, previous_month
from seats.audit.models import AuditEntry
from seats.audit.queries.references import Reader
from seats.audit.queries.tables import noun_of
from seats.audit.queries.words import Words, words_of

MONTHS_LISTED = 24
MOST_COUNTED = 5_000
UTC_ZONE = [ZonePeriod(date(1970, 1, 1), "UTC")]


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts the latest rows only; older ones are found by their month."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class Timeline(ChangeList):
    """A list whose entries have their words."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: Any = self.model_admin
        self.result_list = page.with_words(request, self.result_list)


class MonthOfChange(admin.SimpleListFilter):
    """A month of local dates, where those who read are."""

    title = "month"
    parameter_name = "month"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        month = timezone.now().date().replace(day=1)
        months = [month]
        for _ in range(MONTHS_LISTED - 1):
            months.append(month := previous_month(month))
        return [(f"{m:%Y-%m}", f"{m:%B %Y}") for m in months]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        try:
            first = values.parse_month(str(self.value()))
            zones = self.zones(request)
            start, end = (
                instant_of(datetime.combine(day, time()), zones)
                for day in (first, next_month(first))
            )
        except (ValueError, OverflowError):
            return queryset.none()
        return queryset.filter(at__gte=start, at__lt=end)

    def zones(self, request: HttpRequest) -> Sequence[ZonePeriod]:
        """The time zones whose months are meant."""
        return UTC_ZONE


class ThingChanged(admin.SimpleListFilter):
    """The kind of row that was changed."""

    title = "what"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tables = model_admin.tables_of(request)
        return sorted(((t, noun_of(t)) for t in tables), key=lambda item: item[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        table = self.value()
        return queryset if table is None else queryset.filter(table_name=table)


class RowChanged(admin.SimpleListFilter):
    """One row, where a link of its page leads here: its table and key."""

    title = "row"
    parameter_name = "row"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        row = request.GET.get(self.parameter_name)
        return [(row, "this row")] if row else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        table, _, key = str(self.value()).partition(":")
        # The changes of a seat are rows of their own, recorded under the seat.
        tables = {table, "seats_seatversion"} if table == "seats_seat" else {table}
        return queryset.filter(table_name__in=tables, row_id=key)


class TimelinePage(ReadOnlyAdmin):
    """Entries in words, read only, the latest first."""

    list_display = ["when", "what_happened", "where"]
    list_display_links = ["when"]
    list_select_related = ["agency"]
    ordering = ["-at", "-id"]
    paginator = BoundedPaginator
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Timeline

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        entry = super().get_object(request, object_id, from_field)
        return self.with_words(request, [entry])[0] if entry is not None else None

    def with_words(
        self, request: HttpRequest, entries: Collection[AuditEntry]
    ) -> list[AuditEntry]:
        """The entries, each with its words."""
        rows = list(entries)
        words = words_of(rows, self.reader_of(request))
        for row in rows:
            row.words = words[row.pk]  # type: ignore[attr-defined]
        return rows

    def reader_of(self, request: HttpRequest) -> Reader:
        """What whoever asks may read."""
        raise NotImplementedError

    def tables_of(self, request: HttpRequest) -> Collection[str]:
        """The tables whose changes whoever asks may read."""
        raise NotImplementedError

    @admin.display(description="when")
    def when(self, entry: Any) -> str:
        return self._words(entry).when

    @admin.display(description="what")
    def what_happened(self, entry: Any) -> str:
        return self._words(entry).sentence

    @admin.display(description="from", empty_value="-")
    def where(self, entry: Any) -> str | None:
        return self._words(entry).where or None

    def _words(self, entry: Any) -> Words:
        words: Words = entry.words
        return words
