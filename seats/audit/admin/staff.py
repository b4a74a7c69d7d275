"""The staff page of the audit: every change, by whom, from where and why."""

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from seats.audit.admin.pages import (
    MonthOfChange,
    RowChanged,
    ThingChanged,
    TimelinePage,
)
from seats.audit.models import AuditEntry
from seats.audit.queries.references import Reader
from seats.audit.queries.tables import OF_USERS, audited_models

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "staff": ("Staff", {"actor__is_staff": True, "acting_as": None}),
    "support": ("Support as a member", {"acting_as__isnull": False}),
    "members": ("Members", {"actor__is_staff": False, "acting_as": None}),
    "keys": ("API keys", {"key__isnull": False}),
    "system": ("Tasks and commands", {"actor": None, "key": None, "process__gt": ""}),
    "database": ("By hand", {"actor": None, "key": None, "process": "", "path": ""}),
}


class WhoFilter(admin.SimpleListFilter):
    """What kind of person or program it was."""

    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, title) for kind, (title, _) in KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        if self.value() not in KINDS:
            return queryset.none()
        return queryset.filter(**KINDS[str(self.value())][1])


@admin.register(AuditEntry)
class AuditEntryAdmin(TimelinePage):
    """Changes of the rows that the staff user may look at."""

    menu = ("People and rights", "Activity")
    list_display = ["when", "agency", "what_happened", "where"]
    list_filter = [MonthOfChange, WhoFilter, ThingChanged, RowChanged]
    search_fields = ["agency__code", "actor__email"]
    fields = [
        "when", "what_happened", "agency", "before", "after", "actor", "acting_as",
        "key", "process", "database_role", "ip", "path", "request_id", "reason",
    ]  # fmt: skip
    readonly_fields = ["when", "what_happened"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        rows: QuerySet[AuditEntry] = super().get_queryset(request)
        return rows.filter(table_name__in=self.tables_of(request))

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not self.has_view_permission(request):  # asked before any row is looked up
            raise PermissionDenied
        return super().history_view(request, *args, **kwargs)

    def reader_of(self, request: HttpRequest) -> Reader:
        return Reader()

    def tables_of(self, request: HttpRequest) -> Collection[str]:
        sees_users = request.user.has_perm("seats.view_user")
        return {
            table
            for table, model in audited_models().items()
            if (sees_users if table in OF_USERS else _may_view(request, model))
        }


def _may_view(request: HttpRequest, model: Any) -> bool:
    options = model._meta
    return request.user.has_perm(f"{options.app_label}.view_{options.model_name}")
