"""The pages of usage, imported files and quarantined events, for members of agencies."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.postgres.forms import SimpleArrayField
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse

from billing.metering.models import QuarantinedEvent, RejectedRow, UsageDay, UsageImport
from billing.metering.models.dial_plans import DialPlan
from billing.metering.queries.dial_plans import context_words_of
from billing.metering.services.dial_plans import set_dial_plan
from core.admin.actions import ActionOutcome, ReasonForm
from core.admin.member_actions import member_action
from core.admin.readonly import actor_and_now
from core.admin.scoped import (
    ScopedAdmin,
    ScopedChoice,
    ScopedFilter,
    ScopedInline,
    ScopedSelect,
    agency_page,
    reach_in,
)
from core.parsing.values import parse_integer
from seats.access.domain import Action
from seats.models import Agency


@agency_page(UsageDay)
class UsageDayPage(ScopedAdmin):
    """Totals by day, agent, meter and dial mode."""

    menu = ("Usage", "By day")
    agency_path = "agency"
    agent_path = "agent"
    view = Action.VIEW_USAGE
    list_display = [
        "used_on", "agency", "agent", "meter_name", "breakdown", "events", "raw_units",
        "billable_units",
    ]  # fmt: skip
    list_select_related = ["agency", "agent", "meter"]
    list_filter = [("agency", ScopedFilter), "breakdown"]
    search_fields = ["agent__external_id", "agent__name"]
    date_hierarchy = "used_on"
    fields = [
        "used_on", "agency", "agent", "meter_name", "breakdown", "events", "raw_units",
        "billable_units",
    ]  # fmt: skip
    readonly_fields = ["meter_name", "raw_units", "billable_units"]

    @admin.display(description="meter", ordering="meter__code")
    def meter_name(self, day: UsageDay) -> str:
        return day.meter.code

    @admin.display(description="raw", ordering="raw")
    def raw_units(self, day: UsageDay) -> str:
        return f"{day.raw.normalize():,f} {day.meter.raw_unit}s"

    @admin.display(description="billable", ordering="billable")
    def billable_units(self, day: UsageDay) -> str:
        return f"{day.billable.normalize():,f}"


class RejectedRowInline(ScopedInline):
    """Rows of the file that were rejected, and why."""

    model = RejectedRow
    agency_path = "usage_import__agency"
    view = Action.VIEW_IMPORTS
    verbose_name_plural = "rejected rows"
    fields = ["row", "code", "field", "message"]
    per_page = 20


@agency_page(UsageImport)
class UsageImportPage(ScopedAdmin):
    """Imported files, with the result of their rows."""

    menu = ("Usage", "Imported files")
    agency_path = "agency"
    view = Action.VIEW_IMPORTS
    list_display = [
        "file_name", "agency", "state", "rows", "accepted", "duplicate", "rejected",
        "skipped", "created_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter), "state", "format"]
    search_fields = ["file_name"]
    fields = [
        "agency", "file_name", "format", "zone", "state", "rows", "accepted",
        "duplicate", "rejected", "skipped", "last_error", "created_at", "finished_at",
    ]  # fmt: skip
    inlines = [RejectedRowInline]


@agency_page(QuarantinedEvent)
class QuarantinedEventPage(ScopedAdmin):
    """Events of the agency that cannot be counted yet; the platform resolves them."""

    menu = ("Usage", "Quarantine")
    agency_path = "agency"
    view = Action.VIEW_IMPORTS
    list_display = ["title", "agency", "code", "state", "received_at"]
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter), "state", "code"]
    fields = ["agency", "title", "code", "state", "received_at", "settled_at"]
    readonly_fields = ["title"]

    @admin.display(description="event")
    def title(self, event: QuarantinedEvent) -> str:
        return str(event)


class DialPlanForm(ReasonForm):
    """The words of each direction, which replace those of before."""

    inbound_words = SimpleArrayField(
        forms.CharField(),
        required=False,
        help_text="In the names of contexts for calls from outside. Separated by commas.",
    )
    outbound_words = SimpleArrayField(
        forms.CharField(),
        required=False,
        help_text="In the names of contexts for calls to outside. Separated by commas.",
    )
    field_order = ["agency", "inbound_words", "outbound_words", "reason"]


def dial_plan_form(page: Any, request: HttpRequest, agencies: list[Agency]) -> Any:
    """The words of an agency within reach, at first those that hold."""
    (agency,) = agencies
    offered = page.admin_site.get_model_admin(Agency)
    rows = offered.rows_for(request, Agency.objects.all(), Action.CHANGE_DIAL_PLANS)
    select = ScopedSelect(
        offered, DialPlan._meta.get_field("agency"), Action.CHANGE_DIAL_PLANS
    )
    words = context_words_of(agency.pk)
    fields: dict[str, Any] = {
        "agency": ScopedChoice(offered, rows, select, initial=agency)
    }
    if len(reach_in(request).agencies(Action.CHANGE_DIAL_PLANS)) == 1:
        fields["agency"].widget = forms.HiddenInput()
    form = type("WordsForm", (DialPlanForm,), fields)
    form.base_fields["inbound_words"].initial = list(words.inbound)  # type: ignore[attr-defined]
    form.base_fields["outbound_words"].initial = list(words.outbound)  # type: ignore[attr-defined]
    return form


def words_set(
    request: HttpRequest, agencies: list[Agency], data: dict[str, Any] | None
) -> list[str]:
    """What the words of an agency are for, and what they will be."""
    (agency,) = agencies
    if data is None:
        return [f"The words of {agency.code} hold for files imported from now on."]
    return [
        f"{agency.code}: contexts whose names contain {', '.join(words) or 'no word'}"
        f" are {direction} in files imported from now on. Counted calls stay as they are."
        for direction, words in (
            ("inbound", data["inbound_words"]), ("outbound", data["outbound_words"])
        )
    ]  # fmt: skip


@agency_page(DialPlan)
class DialPlanPage(ScopedAdmin):
    """The words by which dial plans name their contexts, and how to set them."""

    menu = ("Usage", "Dial plans")
    agency_path = "agency"
    view = Action.VIEW_IMPORTS
    list_display = ["agency", "inbound_words", "outbound_words", "changed_at"]
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter)]
    fields = ["agency", "inbound_words", "outbound_words", "changed_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_in(request).may(Action.CHANGE_DIAL_PLANS)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The words of an agency, confirmed as any other action."""
        page: Any = self.admin_site.get_model_admin(Agency)
        agencies = page.rows_for(
            request, Agency.objects.all(), Action.CHANGE_DIAL_PLANS
        )
        first = agencies.order_by("pk").values("pk")[:1]
        rows = agencies.filter(pk=_key(request) if "agency" in request.POST else first)
        answer = self.set_words(page, request, rows)
        site = self.admin_site.name
        changed = reverse("admin:billing_dialplan_changelist", current_app=site)
        return answer or redirect(changed)

    @member_action(
        "Set the words",
        permission=Action.CHANGE_DIAL_PLANS,
        effects=words_set,
        undo="Set the former words again. Files imported meanwhile stay as they were read.",
        done="set",
        form=dial_plan_form,
    )
    def set_words(
        self, request: HttpRequest, agencies: list[Agency], data: dict[str, Any]
    ) -> ActionOutcome:
        plan = set_dial_plan(
            agency=data["agency"],
            inbound_words=data["inbound_words"],
            outbound_words=data["outbound_words"],
            **actor_and_now(request),
        )
        return ActionOutcome([plan], summary="the words were set")


def _key(request: HttpRequest) -> int | None:
    """The key of the agency that was entered; None if it is no key."""
    try:
        return parse_integer(request.POST.get("agency", ""))
    except ValueError:
        return None
