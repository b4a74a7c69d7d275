"""The page of seats, for members of agencies."""

from collections.abc import Callable
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
    ScopedAdmin,
    ScopedFilter,
    ScopedInline,
    agency_page,
    own_columns,
    reach_in,
)
from seats.access.domain import Action
from seats.roster.admin import forms, moves, undoing
from seats.roster.admin.columns import (
    ChangedFilter,
    SeatColumns,
    SeatList,
    StateFilter,
)
from seats.roster.admin.outcomes import outcome_of_seats
from seats.roster.admin.row_actions import RowAction, RowActions
from seats.roster.admin.timelines import Event, timeline_of_seat
from seats.roster.models import Seat, SeatHolding
from seats.roster.services.seats import (
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)

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


@agency_page(Seat)
class SeatPage(RowActions, SeatColumns, ScopedAdmin):
    """The roster: who holds which seat, and since when."""

    change_form_template = "roster/change_form.html"
    menu = ("Team", "Seats")
    activity = {
        "seats_seatversion": ["action", "agent", "added_on", "removed_on", "held_from"]
    }
    agency_path = "agency"
    agent_path = "agent"
    view = Action.VIEW_SEATS
    list_display = [
        "holder", "held_since", "agency", "added_on", "removed_on", "last_call", "cost",
    ]  # fmt: skip
    list_select_related = ["agency", "agent"]
    list_filter = [StateFilter, ChangedFilter, ("agency", ScopedFilter)]
    search_fields = ["agent__external_id", "agent__name"]
    ordering = ["agency__code", "agent__name", "pk"]
    date_hierarchy = "added_on"
    fields = [
        "agency", "agent", "held_since", "added_on", "removed_on", "cancelled",
    ]  # fmt: skip
    readonly_fields = ["held_since"]
    inlines = [HoldingInline]
    actions = ["remove", "hand_over", "transfer", "reopen", "cancel", "undo"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SeatList]:
        return SeatList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Costs for those who see money, agencies for those who see several."""
        columns = own_columns(request, self.view, self.list_display)
        if not reach_in(request).may(Action.VIEW_MONEY):
            columns.remove("cost")
        return columns

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return own_columns(request, self.view, self.list_filter)

    def timeline(self, request: HttpRequest, row: Seat) -> list[Event]:
        return timeline_of_seat(request, row)

    def actions_of(self, request: HttpRequest, row: Seat) -> list[str]:
        if row.cancelled:
            return []
        end = ["reopen"] if row.removed_on else []
        return ["remove", "hand_over", "transfer", *end, "cancel"]

    def other_actions(self, request: HttpRequest, row: Seat) -> list[RowAction]:
        return undoing.undo_buttons(self, request, [row])

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
    ) -> ActionOutcome:
        removed = remove_seats(seats=seats, **actor_and_now(request), **data)
        dates = sorted({str(seat.removed_on) for seat in removed})
        done = f"removed as of {' and '.join(dates)}"
        return outcome_of_seats(self, seats, seats, done)

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
    ) -> ActionOutcome:
        return self._moved(request, seats, data, hand_over_seats, "handed over")

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
    ) -> ActionOutcome:
        return self._moved(request, seats, data, transfer_seats, "transferred")

    def _moved(
        self,
        request: HttpRequest,
        seats: list[Seat],
        data: dict[str, Any],
        service: Callable[..., object],
        done: str,
    ) -> ActionOutcome:
        """Give each seat to the agent that was entered for it."""
        to = forms.moves_of(seats, data)
        by = {**actor_and_now(request), "reason": data["reason"]}
        service(moves=to, on=data["on"], **by)
        holder = f" to {to[0][1].name}" if len(to) == 1 else ""
        return outcome_of_seats(
            self, seats, seats, f"{done}{holder} from {data['on']} on"
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
    ) -> ActionOutcome:
        reopen_seats(seats=seats, **actor_and_now(request), **data)
        return outcome_of_seats(self, seats, seats, "re-opened")

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
    ) -> ActionOutcome:
        cancel_seats(seats=seats, **actor_and_now(request), **data)
        return outcome_of_seats(self, seats, seats, "cancelled")

    @member_action(
        "Undo the last change of the last 24 hours",
        permission=Action.HAND_OVER_SEATS,
        effects=undoing.undone,
        undo="Undo this in turn, or make the change again.",
        done="as before",
        form=forms.undo_form,
    )
    def undo(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> ActionOutcome:
        undoing.undo(request, seats, data["reason"])
        return outcome_of_seats(self, seats, seats, "as before: the change was undone")
