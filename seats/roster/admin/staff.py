"""Admin pages of agents and seats."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core.admin.actions import ActionOutcome, ReasonForm, staff_action
from core.admin.base import StaffAdmin
from core.admin.dates import DateField, with_initial_dates
from core.admin.readonly import ReadOnlyAdmin, ReadOnlyInline, actor_and_now
from core.errors import UnknownAgent
from core.parsing.values import shown
from seats.agencies.queries.agencies import local_dates
from seats.roster.admin import effects
from seats.roster.models import Agent, Seat, SeatHolding, SeatVersion
from seats.roster.queries import waived_days
from seats.roster.services.seats import (
    SeatMove,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)


class HoldingInline(ReadOnlyInline):
    """The agents who have held the seat, each from a date until another."""

    model = SeatHolding
    fields = ["agent", "starts_on", "ends_on"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SeatHolding]:
        return super().get_queryset(request).select_related("agent")


class VersionInline(ReadOnlyInline):
    """Every change of the seat, with who made it and why."""

    model = SeatVersion
    verbose_name_plural = "history"
    fields = [
        "number", "action", "agent", "held_from", "added_on", "removed_on",
        "cancelled", "waived_days", "actor", "reason", "cutoff", "recorded_at",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[SeatVersion]:
        return super().get_queryset(request).select_related("agent")


class ChangeForm(ReasonForm):
    """From which local date on, and why."""

    on = DateField(label="Date", help_text="A local date of the agency.")
    field_order = ["on", "agents", "reason"]


class MoveForm(ChangeForm):
    """From which local date on, why, and to which agents."""

    agents = forms.CharField(
        widget=forms.Textarea,
        help_text="One agent per line, in the order of the seats: AGENCY agent-id.",
    )


@admin.register(Agent)
class AgentAdmin(StaffAdmin):
    """Agents of agencies; seats are added for them by an action."""

    menu = ("Agencies", "Agents")
    list_display = ["external_id", "name", "agency", "npn", "email"]
    list_select_related = ["agency"]
    search_fields = ["external_id", "name", "npn", "agency__code"]
    autocomplete_fields = ["agency"]
    readonly_fields = ["created_at"]
    actions = ["add_a_seat"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["agency", "external_id", "created_at"] if obj else ["created_at"]

    def save_model(self, request: Any, obj: Agent, form: Any, change: Any) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

    @staff_action(
        "Add a seat for each agent",
        permission="seats.add_seat",
        effects=lambda agents, data: effects.added(
            agents, _on(data), _earliest_day(agents)
        ),
        undo="Remove the seats, or cancel them while nobody has used them.",
        done="got a seat",
        form=lambda rows: _dated(ChangeForm, rows),
    )
    def add_a_seat(
        self, request: HttpRequest, agents: list[Agent], data: dict[str, Any]
    ) -> ActionOutcome | None:
        add_seats(agents=agents, **_by_staff(request), **data)
        return None


@admin.register(Seat)
class SeatAdmin(ReadOnlyAdmin):
    """Seats; removing, handing over, transferring and cancelling are actions."""

    menu = ("Agencies", "Seats")
    list_display = ["id", "agency", "agent", "added_on", "removed_on", "cancelled"]
    list_select_related = ["agency", "agent"]
    list_filter = ["cancelled", ("removed_on", admin.EmptyFieldListFilter)]
    search_fields = ["agency__code", "agent__external_id", "agent__name"]
    date_hierarchy = "added_on"
    inlines = [HoldingInline, VersionInline]
    actions = ["remove", "hand_over", "transfer", "reopen", "cancel"]

    @staff_action(
        "Remove from a date on",
        effects=lambda seats, data: (
            effects.blocked(seats)
            or effects.removed(seats, _on(data), _earliest_day(seats))
        ),
        undo="Re-open the seats: they are billed as if they had not been removed.",
        done="removed",
        form=lambda rows: _dated(ChangeForm, rows),
    )
    def remove(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> ActionOutcome | None:
        changed = remove_seats(seats=seats, **_by_staff(request), **data)
        return _outcome(changed, "removed")

    @staff_action(
        "Hand over within the agency",
        effects=lambda seats, data: (
            effects.blocked(seats)
            or effects.handed_over(_moves(seats, data["agents"]), data["on"])
            if data
            else effects.blocked(seats)
            or [f"{seat} gets the holder chosen below." for seat in seats]
        ),
        undo="Hand the seats over once more, from the same date on.",
        done="handed over",
        form=lambda rows: _dated(MoveForm, rows),
    )
    def hand_over(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> ActionOutcome | None:
        moves = _moves(seats, data.pop("agents"))
        hand_over_seats(moves=moves, **_by_staff(request), **data)
        return None

    @staff_action(
        "Transfer to another agency",
        effects=lambda seats, data: (
            effects.blocked(seats)
            or effects.transferred(
                _moves(seats, data["agents"]), data["on"], _earliest_day(seats)
            )
            if data
            else effects.blocked(seats)
            or [f"{seat} moves to the agency chosen below." for seat in seats]
        ),
        undo="Cancel the new seats and re-open the old ones.",
        done="transferred",
        form=lambda rows: _dated(MoveForm, rows),
    )
    def transfer(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> ActionOutcome | None:
        moves = _moves(seats, data.pop("agents"))
        transfer_seats(moves=moves, **_by_staff(request), **data)
        return _outcome(seats, "transferred")

    @staff_action(
        "Re-open: take back the removal",
        effects=lambda seats, data: (
            effects.blocked(seats, reopening=True)
            or effects.reopened(seats, _earliest_day(seats))
        ),
        undo="Remove the seats again.",
        done="re-opened",
    )
    def reopen(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> ActionOutcome | None:
        reopen_seats(seats=seats, **_by_staff(request), **data)
        return None

    @staff_action(
        "Cancel: entered by mistake",
        effects=lambda seats, data: (
            effects.blocked(seats) or effects.cancelled(seats, _earliest_day(seats))
        ),
        undo="A cancelled seat stays cancelled. Add a new seat for the agent instead.",
        done="cancelled",
    )
    def cancel(
        self, request: HttpRequest, seats: list[Seat], data: dict[str, Any]
    ) -> ActionOutcome | None:
        changed = cancel_seats(seats=seats, **_by_staff(request), **data)
        return _outcome(changed, "cancelled")


def _on(data: dict[str, Any] | None) -> date | None:
    return data["on"] if data else None


def _by_staff(request: HttpRequest) -> dict[str, Any]:
    return {**actor_and_now(request), "staff": True}


def _dated(form_class: type[ChangeForm], rows: Sequence[Any]) -> type[ReasonForm]:
    """The form, with the earliest local date of the agencies of these rows."""
    return with_initial_dates(form_class, on=_earliest_day(rows))


def _earliest_day(rows: Sequence[Any]) -> date:
    """The earliest local date of the agencies of these rows; without rows, in UTC."""
    now = timezone.now()
    ids = {row.agency_id for row in rows}
    return min(local_dates(ids, now=now).values(), default=now.date())


def _outcome(seats: Sequence[Seat], done: str) -> ActionOutcome:
    """The outcome, with the number of used seat days that were waived."""
    days = waived_days(seats)
    unit = "seat day" if days == 1 else "seat days"
    waived = f". Waived although the seats were used: {days} {unit}"
    return ActionOutcome(seats, summary=f"{len(seats)} {done}{waived if days else ''}")


def _moves(seats: list[Seat], text: str) -> list[SeatMove]:
    """Each seat with the agent of its line. Raises UnknownAgent."""
    names = [line.split() for line in text.splitlines() if line.strip()]
    if len(names) != len(seats):
        raise UnknownAgent(
            f"You selected {len(seats)} seats but entered {len(names)} agents. Enter one"
            " agent per seat."
        )
    wanted = Q(pk__in=[])
    for name in names:
        if len(name) != 2:
            raise UnknownAgent(
                f"{shown(' '.join(name))} is not an agency code and an agent id. Enter"
                " them as AGENCY agent-id."
            )
        wanted |= Q(agency__code=name[0], external_id=name[1])
    agents = {
        (agent.agency.code, agent.external_id): agent
        for agent in Agent.objects.select_related("agency").filter(wanted)
    }
    moves = []
    for seat, (agency, agent) in zip(seats, names, strict=True):
        if (agency, agent) not in agents:
            raise UnknownAgent(
                f"Agency {shown(agency)} has no agent {shown(agent)}. Check the spelling."
            )
        moves.append((seat, agents[agency, agent]))
    return moves
