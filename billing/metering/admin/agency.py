"""The pages of usage, imported files and quarantined events, for members of agencies."""

from django.contrib import admin

from billing.metering.models import QuarantinedEvent, RejectedRow, UsageDay, UsageImport
from core.admin.scoped import ScopedAdmin, ScopedFilter, ScopedInline, agency_page
from seats.access.domain import Action


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
