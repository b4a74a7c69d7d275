"""The page on which owners allow support to make changes."""

from datetime import datetime, time
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core.admin.actions import ActionOutcome, work_each
from core.admin.dates import DateField
from core.admin.member_actions import member_action
from core.admin.readonly import AddingAdmin, AddingForm
from core.admin.scoped import (
    ScopedAdmin,
    ScopedChoice,
    ScopedFilter,
    ScopedSelect,
    agency_page,
    reach_in,
    without_secrets,
)
from core.periods import DAY, instant_of
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import zones_of
from seats.members.models import User
from seats.roster.admin.forms import plain_form
from seats.support.models import SupportAccess
from seats.support.services import allow_changes, end_access

READING = (
    "Support can already look at what a member sees. Through this date of the agency it"
    " may change seats, agents and budgets, too; never members, keys or payments. You"
    " see all of it under Activity."
)


class AccessForm(AddingForm):
    """At which agency, and for how long."""

    owner: User
    elsewhere = "last_day"
    last_day = DateField(label="Last day", help_text=READING)

    class Meta:
        model = SupportAccess
        fields = ["agency"]

    def add(self, cleaned: dict[str, Any]) -> SupportAccess:
        agency: Agency = cleaned["agency"]
        end = datetime.combine(cleaned["last_day"] + DAY, time())
        return allow_changes(
            agency=agency,
            allowed_by=self.owner,
            until=instant_of(end, zones_of([agency.pk])[agency.pk]),
            now=timezone.now(),
        )


@agency_page(SupportAccess)
class SupportAccessPage(AddingAdmin, ScopedAdmin):
    """When support was allowed to make changes, by whom."""

    menu = ("Team", "Support access")
    activity = {
        "seats_supportsession": ["staff", "user", "reason", "ending"],
        "seats_supportview": ["method", "path", "http_status"],
    }
    agency_path = "agency"
    view = Action.VIEW_MEMBERS
    sensitive = True
    list_display = ["agency", "allowed_by", "allowed_at", "until", "ended_at"]
    list_select_related = ["agency", "allowed_by"]
    list_filter = [("agency", ScopedFilter), ("ended_at", admin.EmptyFieldListFilter)]
    fields = ["agency", "allowed_by", "allowed_at", "until", "ended_at"]
    adding_form = AccessForm
    adding_fields = ["agency", "last_day"]
    actions = ["end"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SupportAccess]:
        rows = super().get_queryset(request).select_related("agency", "allowed_by")
        return without_secrets(rows)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_in(request).may(Action.CHANGE_MEMBERS)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            return form
        page: Any = self.admin_site.get_model_admin(Agency)
        action = Action.CHANGE_MEMBERS
        own = page.rows_for(request, Agency.objects.all(), action)
        select = ScopedSelect(page, SupportAccess._meta.get_field("agency"), action)
        agency = ScopedChoice(page, own, select)
        agency.initial = min(reach_in(request).agencies(action), default=None)
        return type("AccessForm", (form,), {"agency": agency, "owner": request.user})

    @member_action(
        "End now",
        permission=Action.CHANGE_MEMBERS,
        effects=lambda request, rows, data: [
            f"Support may no longer make changes at {row.agency.code}." for row in rows
        ],
        undo="Allow it again.",
        done="ended",
        form=plain_form,
        sensitive=True,
    )
    def end(
        self, request: HttpRequest, rows: list[SupportAccess], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(row: SupportAccess) -> str | None:
            return None if end_access(access=row, now=now) else "had ended"

        return work_each(rows, work)
