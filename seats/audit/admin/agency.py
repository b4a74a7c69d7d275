"""The page of activity, for members: what changed, as far as they may look.

Members read the changes of rows that have a page of theirs, for the same action, and
the columns that the page shows.
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from core.admin.scoped import (
    PAGES,
    ScopedAdmin,
    ScopedFilter,
    agency_page,
    any_of,
    reach_in,
    without_secrets,
)
from core.periods import ZonePeriod
from seats.access.domain import Action
from seats.agencies.queries.agencies import zones_of
from seats.audit.admin.pages import (
    UTC_ZONE,
    MonthOfChange,
    RowChanged,
    ThingChanged,
    TimelinePage,
)
from seats.audit.models import AuditEntry
from seats.audit.queries.references import Reader
from seats.audit.queries.tables import audited_models
from seats.members.models import User


class LocalMonth(MonthOfChange):
    """A month in the time zone of the reader's own agency, the first of several."""

    def zones(self, request: HttpRequest) -> Sequence[ZonePeriod]:
        first = min(reach_in(request).agencies(Action.VIEW_ACTIVITY), default=0)
        return zones_of([first]).get(first, UTC_ZONE)


class PersonFilter(admin.SimpleListFilter):
    """A member within reach, or support that acted as one."""

    title = "who"
    parameter_name = "who"
    SUPPORT = "support"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        ids = reach_in(request).agencies(Action.VIEW_MEMBERS)
        people = User.objects.filter(is_staff=False, memberships__agency__in=ids)
        rows = without_secrets(people).distinct().order_by("email")
        named = [(str(user.pk), user.get_full_name()) for user in rows]
        return [*named, (self.SUPPORT, "Support as a member")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value == self.SUPPORT:
            return queryset.filter(acting_as__isnull=False)
        choices = {str(choice) for choice, _ in self.lookup_choices}
        if value not in choices:
            return queryset.none()
        return queryset.filter(actor=value, acting_as=None)


@agency_page(AuditEntry)
class ActivityPage(TimelinePage, ScopedAdmin):
    """Changes at the agencies within reach, of what the person may look at."""

    menu = ("Records", "Activity")
    agency_path = "agency"
    owner_path = "owner"
    view = Action.VIEW_ACTIVITY
    list_filter = [
        LocalMonth, PersonFilter, ThingChanged, RowChanged, ("agency", ScopedFilter),
    ]  # fmt: skip
    fields = ["when", "what_happened", "where"]
    readonly_fields = ["when", "what_happened", "where"]

    def rows_for(
        self, request: HttpRequest, rows: QuerySet[Any], action: str
    ) -> QuerySet[Any]:
        reach = reach_in(request)
        seen = Q()
        for view, tables in _tables_by_action().items():
            ids = reach.agencies(view)
            seen |= Q(table_name__in=tables, agency__in=any_of(ids)) if ids else Q()
        if not seen:
            return rows.none()
        rows = super().rows_for(request, rows, action).filter(seen)
        for model, page in PAGES.items():
            if page.activity_rows:
                own = Q(table_name=model._meta.db_table)
                rows = rows.filter(~own | page.activity_rows)
        return rows

    def reader_of(self, request: HttpRequest) -> Reader:
        agencies = reach_in(request).agencies(Action.VIEW_AGENCIES)
        return Reader(agencies=agencies, columns=_columns())

    def tables_of(self, request: HttpRequest) -> Collection[str]:
        reach = reach_in(request)
        return {
            table
            for view, tables in _tables_by_action().items()
            if reach.agencies(view)
            for table in tables
        }


def _columns() -> dict[str, frozenset[str]]:
    """The columns that members read of each table; no other table is read at all."""
    columns: dict[str, set[str]] = {}
    for model, page in PAGES.items():
        own = {model._meta.db_table: [str(name) for name in page.fields or ()]}
        for table, names in [*own.items(), *page.activity.items()]:
            if table in audited_models():
                columns.setdefault(table, set()).update(names)
    return {table: frozenset(names) for table, names in columns.items()}


def _tables_by_action() -> dict[str, set[str]]:
    """The tables whose changes are seen by whoever may do an action."""
    tables: dict[str, set[str]] = {}
    for model, page in PAGES.items():
        names = {model._meta.db_table, *page.activity} & audited_models().keys()
        tables.setdefault(page.view, set()).update(names)
    return tables
