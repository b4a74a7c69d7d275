"""The pages of agents and seats, for members of agencies."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse

from core.admin.actions import ActionOutcome
from core.admin.member_actions import member_action
from core.admin.readonly import actor_and_now
from core.admin.scoped import (
    FOR,
    ScopedAdmin,
    ScopedFilter,
    ScopedInline,
    agency_page,
    reach_in,
)
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.roster.admin import forms, moves
from seats.roster.models import Agent, Seat, SeatHolding, SeatVersion
from seats.roster.services.seats import (
    add_agents_with_seats,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)

LIST = "admin:seats_agent_changelist"
ADD_AGENTS = "admin:seats_agent_add"


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
    actions = ["add_a_seat"]

    def narrowed(
        self, rows: QuerySet[Agent], among: Mapping[str, Any]
    ) -> QuerySet[Agent]:
        """The agents of an agency (`agency`), or of all others (`not_agency`)."""
        if agency := _key(among, "agency"):
            rows = rows.filter(agency=agency)
        if other := _key(among, "not_agency"):
            rows = rows.exclude(agency=other)
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if FOR in request.GET:
            queryset = self.narrowed(queryset, request.GET).select_related("agency")
        return super().get_search_results(request, queryset, search_term)

    def choice_label(self, row: Any) -> str:
        return f"{row}, {row.agency.code}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_in(request).may(Action.CHANGE_AGENTS)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """New agents of an agency, confirmed as any other action."""
        page: Any = self.admin_site.get_model_admin(Agency)
        agencies = page.rows_for(request, Agency.objects.all(), Action.CHANGE_AGENTS)
        entered = _key(request.POST, "agency")
        first = agencies.order_by("pk").values("pk")[:1]
        rows = agencies.filter(pk=entered if "agency" in request.POST else first)
        answer = self.add_agents(page, request, rows)
        return answer or redirect(reverse(LIST, current_app=self.admin_site.name))

    @member_action(
        "Add agents",
        permission=Action.CHANGE_AGENTS,
        effects=moves.agents_added,
        undo="Cancel the seats while nobody has used them. Agents stay on the list.",
        done="added",
        form=forms.agents_form,
    )
    def add_agents(
        self, request: HttpRequest, agencies: list[Agency], data: dict[str, Any]
    ) -> ActionOutcome:
        added = add_agents_with_seats(
            agency=data["agency"],
            agents=data["agents"].unsaved(),
            on=data.get("on"),
            reason=data["reason"],
            **actor_and_now(request),
        )
        with_seats = " with seats" if data.get("on") else ""
        return ActionOutcome(added, summary=f"{len(added)} added{with_seats}")

    @member_action(
        "Add a seat for each agent",
        permission=Action.CHANGE_SEATS,
        effects=moves.added,
        undo="Remove the seats, or cancel them while nobody has used them.",
        done="got a seat",
        form=forms.dated_form,
    )
    def add_a_seat(
        self, request: HttpRequest, agents: list[Agent], data: dict[str, Any]
    ) -> None:
        add_seats(agents=agents, **actor_and_now(request), **data)


@agency_page(Seat)
class SeatPage(ScopedAdmin):
    """The roster: who holds which seat, and since when."""

    menu = ("Team", "Seats")
    activity = {
        "seats_seatversion": ["action", "agent", "added_on", "removed_on", "held_from"]
    }
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
    actions = ["remove", "hand_over", "transfer", "reopen", "cancel"]

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

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_in(request).may(Action.CHANGE_SEATS)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Seats are added with their agents."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return redirect(reverse(ADD_AGENTS, current_app=self.admin_site.name))

    @member_action(
        "Remove, today or on a date",
        permission=Action.CHANGE_SEATS,
        effects=moves.removed,
        undo="Re-open the seats: they are billed as if they had not been removed.",
        done="removed",
        form=forms.dated_form,
    )
    def remove(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> None:
        remove_seats(seats=seats, **actor_and_now(request), **data)

    @member_action(
        "Hand over to another agent",
        permission=Action.HAND_OVER_SEATS,
        effects=moves.handed_over,
        undo="Hand the seats over once more, from the same date on.",
        done="handed over",
        form=forms.hand_over_form,
    )
    def hand_over(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> None:
        hand_over_seats(
            moves=forms.moves_of(seats, data),
            on=data["on"],
            reason=data["reason"],
            **actor_and_now(request),
        )

    @member_action(
        "Transfer to another agency",
        permission=Action.CHANGE_SEATS,
        effects=moves.transferred,
        undo="Cancel the new seats and re-open the old ones.",
        done="transferred",
        form=forms.transfer_form,
    )
    def transfer(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> None:
        transfer_seats(
            moves=forms.moves_of(seats, data),
            on=data["on"],
            reason=data["reason"],
            **actor_and_now(request),
        )

    @member_action(
        "Re-open: take back the removal",
        permission=Action.CHANGE_SEATS,
        effects=moves.reopened,
        undo="Remove the seats again.",
        done="re-opened",
        form=forms.plain_form,
    )
    def reopen(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> None:
        reopen_seats(seats=seats, **actor_and_now(request), **data)

    @member_action(
        "Cancel: entered by mistake",
        permission=Action.CHANGE_SEATS,
        effects=moves.cancelled,
        undo="A cancelled seat stays cancelled. Add a new seat for the agent instead.",
        done="cancelled",
        form=forms.reason_form,
    )
    def cancel(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> None:
        cancel_seats(seats=seats, **actor_and_now(request), **data)


def _key(values: Mapping[str, Any], name: str) -> int | None:
    """A key of a row that somebody sent, or the page itself; None if it is none."""
    text = str(values.get(name, ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
