"""The page of agencies, for their members: their own and those below it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core.admin.scoped import ScopedAdmin, agency_page
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.agencies.queries.today import seats_on, zone_on


@agency_page(Agency)
class AgencyPage(ScopedAdmin):
    """Agencies within reach, with their seats. The upline is nobody's to see."""

    menu = ("Team", "Agencies")
    agency_path = "pk"
    view = Action.VIEW_AGENCIES
    list_display = ["name", "code", "seats_today", "zone_today", "currency"]
    fields = ["name", "code", "seats_today", "zone_today", "currency", "created_at"]
    readonly_fields = ["seats_today", "zone_today"]
    search_fields = ["name", "code"]
    list_filter = ["currency"]
    ordering = ["code"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agency]:
        today = timezone.now().date()
        agencies: QuerySet[Agency] = super().get_queryset(request)
        return agencies.annotate(zone_name=zone_on(today), seat_count=seats_on(today))

    @admin.display(description="seats today", ordering="seat_count")
    def seats_today(self, agency: Any) -> int:
        return int(agency.seat_count)

    @admin.display(description="time zone", ordering="zone_name")
    def zone_today(self, agency: Any) -> str:
        return str(agency.zone_name)
