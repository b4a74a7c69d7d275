"""Usage, for staff."""

from django.contrib import admin

from billing.metering.models import UsageConflict, UsageDay
from seats.readonly import ReadOnlyAdmin


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnlyAdmin):
    list_display = [
        "agency", "agent", "meter", "breakdown", "used_on",
        "events", "raw", "billable", "cutoff",
    ]  # fmt: skip
    list_select_related = ["agency", "agent", "meter"]
    list_filter = ["meter", "agency"]
    search_fields = ["agency__code", "agent__external_id"]
    date_hierarchy = "used_on"


@admin.register(UsageConflict)
class UsageConflictAdmin(ReadOnlyAdmin):
    list_display = ["agency", "key", "received_at"]
    list_select_related = ["agency"]
    list_filter = ["agency"]
