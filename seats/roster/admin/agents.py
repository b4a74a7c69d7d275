"""The page of agents, for members of agencies."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
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
    agency_page,
    any_of,
    own_columns,
    reach_in,
)
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.roster.admin import agent_forms, forms, moves
from seats.roster.admin.outcomes import outcome_of_agents, outcome_of_seats
from seats.roster.admin.row_actions import RowAction, RowActions
from seats.roster.admin.timelines import Event, timeline_of_agent
from seats.roster.admin.undoing import undo_buttons
from seats.roster.models import Agent, Seat
from seats.roster.services.agents import DETAILS, add_agents_with_seats, change_agents
from seats.roster.services.seats import add_seats

LIST = "admin:seats_agent_changelist"


@agency_page(Agent)
class AgentPage(RowActions, ScopedAdmin):
    """Agents, and how to find them; a member who is an agent sees itself."""

    change_form_template = "roster/change_form.html"
    menu = ("Team", "Agents")
    agency_path = "agency"
    agent_path = "pk"
    view = Action.VIEW_SEATS
    list_display = ["name", "external_id", "agency", "npn", "email"]
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter)]
    search_fields = ["name", "external_id", "npn", "email"]
    ordering = ["agency__code", "name", "pk"]
    fields = ["agency", "external_id", "name", "npn", "email", "created_at"]
    actions = ["change_details", "add_a_seat"]

    def get_list_display(self, request: HttpRequest) -> Any:
        return own_columns(request, self.view, self.list_display)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return own_columns(request, self.view, self.list_filter)

    def other_actions(self, request: HttpRequest, row: Agent) -> list[RowAction]:
        """The undoing of what was done last to the seat that the agent holds."""
        reached = reach_in(request).agencies(Action.HAND_OVER_SEATS)
        seats = Seat.objects.filter(agent=row, agency__in=any_of(reached))
        newest = seats.select_related("agency", "agent").order_by("-pk")[:1]
        return undo_buttons(self, request, list(newest))

    def timeline(self, request: HttpRequest, row: Agent) -> list[Event]:
        return timeline_of_agent(request, row)

    def narrowed(
        self, rows: QuerySet[Agent], among: Mapping[str, Any]
    ) -> QuerySet[Agent]:
        """The agents of an agency (`agency`), or of all others (`not_agency`).

        Without one of them (`not_agent`).
        """
        if agency := _key(among, "agency"):
            rows = rows.filter(agency=agency)
        if other := _key(among, "not_agency"):
            rows = rows.exclude(agency=other)
        if agent := _key(among, "not_agent"):
            rows = rows.exclude(pk=agent)
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
        is_entered = bool(request.POST.get("agency"))  # the form asks for it otherwise
        rows = agencies.filter(pk__in=[entered] if is_entered else first)
        answer = self.add_agents(page, request, rows)
        return answer or redirect(reverse(LIST, current_app=self.admin_site.name))

    @member_action(
        "Add agents",
        permission=Action.CHANGE_AGENTS,
        effects=moves.agents_added,
        undo="Cancel the seats while nobody has used them. Agents stay on the list.",
        done="added",
        form=agent_forms.agents_form,
    )
    def add_agents(
        self, request: HttpRequest, agencies: list[Agency], data: dict[str, Any]
    ) -> ActionOutcome:
        added = add_agents_with_seats(
            agency=data["agency"],
            agents=data["agents"].unsaved(),
            on=data.get("on"),
            until=data.get("until"),
            reason=data["reason"],
            **actor_and_now(request),
        )
        with_seats = " with seats" if data.get("on") else ""
        return outcome_of_agents(self, added, f"added{with_seats}")

    @member_action(
        "Change details",
        permission=Action.CHANGE_AGENTS,
        effects=moves.details_changed,
        undo="Change them back.",
        done="changed",
        form=agent_forms.agent_form,
        one_by_one=True,
    )
    def change_details(
        self, request: HttpRequest, agents: list[Agent], data: dict[str, Any]
    ) -> ActionOutcome:
        details = {name: data[name] for name in DETAILS}
        changed = change_agents(changes={agents[0].pk: details})
        return outcome_of_agents(self, changed, "changed")

    @member_action(
        "Add a seat",
        permission=Action.CHANGE_SEATS,
        effects=moves.added,
        undo="Remove the seats, or cancel them while nobody has used them.",
        done="got a seat",
        form=forms.season_form,
    )
    def add_a_seat(
        self, request: HttpRequest, agents: list[Agent], data: dict[str, Any]
    ) -> ActionOutcome:
        seats = add_seats(agents=agents, **actor_and_now(request), **data)
        return outcome_of_seats(self, seats, agents, f"added from {data['on']} on")


def _key(values: Mapping[str, Any], name: str) -> int | None:
    """A key of a row that somebody sent, or the page itself; None if it is none."""
    text = str(values.get(name, ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
