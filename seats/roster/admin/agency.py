"""The pages of agents and seats, for members of agencies."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from core.admin.scoped import ScopedAdmin, ScopedFilter, ScopedInline, agency_page
from seats.access.domain import Action
from seats.roster.models import Agent, Seat, SeatHolding, SeatVersion


class HoldingInline(ScopedInline):
    """Who held the seat on which dates; agents see their own dates alone."""

    model = SeatHolding
    agency_path = "agency"
    agent_path = "agent"
    view = Action.VIEW_SEATS
    verbose_name_plural = "holders"
    fields = ["agent", "starts_on", "ends_on"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SeatHolding]:
        return super().get_queryset(request).select_related("agent")


class VersionInline(ScopedInline):
    """What changed; who changed it, and why, may be somebody's above the agency."""

    model = SeatVersion
    agency_path = "agency"
    agent_path = "agent"
    view = Action.VIEW_SEATS
    verbose_name_plural = "history"
    fields = ["action", "agent", "held_from", "added_on", "removed_on", "recorded_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SeatVersion]:
        return super().get_queryset(request).select_related("agent")


@agency_page(Agent)
class AgentPage(ScopedAdmin):
    """Agents, and how to find them; a member who is an agent sees itself."""

    menu = ("Team", "Agents")
    agency_path = "agency"
    agent_path = "pk"
    view = Action.VIEW_SEATS
    list_display = ["name", "external_id", "agency", "npn", "email"]
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter)]
    search_fields = ["name", "external_id", "npn", "email"]
    fields = ["agency", "external_id", "name", "npn", "email", "created_at"]


@agency_page(Seat)
class SeatPage(ScopedAdmin):
    """The roster: who holds which seat, and since when."""

    menu = ("Team", "Seats")
    agency_path = "agency"
    agent_path = "agent"
    view = Action.VIEW_SEATS
    list_display = [
        "holder", "held_since", "agency", "added_on", "removed_on", "cancelled",
    ]  # fmt: skip
    list_select_related = ["agency", "agent"]
    list_filter = [
        ("agency", ScopedFilter), "cancelled",
        ("removed_on", admin.EmptyFieldListFilter),
    ]  # fmt: skip
    search_fields = ["agent__external_id", "agent__name"]
    date_hierarchy = "added_on"
    fields = [
        "agency", "agent", "held_since", "added_on", "removed_on", "cancelled",
    ]  # fmt: skip
    readonly_fields = ["held_since"]
    inlines = [HoldingInline, VersionInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Seat]:
        seats: QuerySet[Seat] = super().get_queryset(request)
        holdings = SeatHolding.objects.filter(
            seat=OuterRef("pk"), agent=OuterRef("agent")
        )
        latest = holdings.order_by("-starts_on").values("starts_on")[:1]
        return seats.annotate(since=Subquery(latest))

    @admin.display(description="holder", ordering="agent__name")
    def holder(self, seat: Seat) -> str:
        return str(seat.agent)

    @admin.display(description="holder since", ordering="since")
    def held_since(self, seat: Any) -> Any:
        return seat.since
