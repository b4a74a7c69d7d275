"""Agents and seats, for staff."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from seats.agencies.queries import local_dates
from seats.datefields import DateField, proposing
from seats.errors import Refusal
from seats.readonly import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReasonForm,
    acting,
    ask_and_do,
)
from seats.roster.models import Agent, Seat, SeatHolding, SeatVersion
from seats.roster.queries import waived_days
from seats.roster.services import (
    Move,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)


class UnknownAgents(Refusal):
    code = "unknown_agent"


class HoldingInline(ReadOnlyInline):
    model = SeatHolding
    fields = ["agent", "starts_on", "ends_on"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SeatHolding]:
        return super().get_queryset(request).select_related("agent")


class VersionInline(ReadOnlyInline):
    model = SeatVersion
    verbose_name_plural = "history"
    fields = [
        "number", "action", "agent", "held_from", "added_on", "removed_on",
        "cancelled", "waived_days", "actor", "reason", "cutoff", "recorded_at",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[SeatVersion]:
        return super().get_queryset(request).select_related("agent")


class ChangeForm(forms.Form):
    """From when, and why."""

    on = DateField(label="Date")
    reason = forms.CharField(max_length=500)


class MoveForm(ChangeForm):
    """From when, why, and to whom."""

    agents = forms.CharField(
        widget=forms.Textarea,
        help_text="One agent a line, in the order of the seats: AGENCY agent-id.",
    )


@admin.register(Agent)
class AgentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["external_id", "name", "agency", "npn", "email"]
    list_select_related = ["agency"]
    list_filter = ["agency"]
    search_fields = ["external_id", "name", "npn", "agency__code"]
    readonly_fields = ["created_at"]
    actions = ["add_a_seat"]
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["agency", "external_id", "created_at"] if obj else ["created_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: Any, obj: Agent, form: Any, change: Any) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

    @admin.action(description="Add a seat for each", permissions=["change"])
    def add_a_seat(
        self, request: HttpRequest, agents: QuerySet[Agent]
    ) -> HttpResponse | None:
        def add(chosen: list[Agent], told: dict[str, Any]) -> None:
            add_seats(agents=chosen, **_by_staff(request), **told)

        return ask_and_do(self, request, agents, _dated(ChangeForm, agents), add)


@admin.register(Seat)
class SeatAdmin(ReadOnlyAdmin):
    list_display = ["id", "agency", "agent", "added_on", "removed_on", "cancelled"]
    list_select_related = ["agency", "agent"]
    list_filter = ["cancelled", ("removed_on", admin.EmptyFieldListFilter), "agency"]
    search_fields = ["agency__code", "agent__external_id", "agent__name"]
    date_hierarchy = "added_on"
    inlines = [HoldingInline, VersionInline]
    actions = ["remove", "hand_over", "transfer", "reopen", "cancel"]

    @admin.action(description="Remove from a date on", permissions=["view"])
    def remove(
        self, request: HttpRequest, seats: QuerySet[Seat]
    ) -> HttpResponse | None:
        def work(chosen: list[Seat], told: dict[str, Any]) -> str:
            return _done(remove_seats(seats=chosen, **_by_staff(request), **told))

        return ask_and_do(self, request, seats, _dated(ChangeForm, seats), work)

    @admin.action(description="Hand over within the agency", permissions=["view"])
    def hand_over(
        self, request: HttpRequest, seats: QuerySet[Seat]
    ) -> HttpResponse | None:
        def work(chosen: list[Seat], told: dict[str, Any]) -> None:
            moves = _moves(chosen, told.pop("agents"))
            hand_over_seats(moves=moves, **_by_staff(request), **told)

        return ask_and_do(self, request, seats, _dated(MoveForm, seats), work)

    @admin.action(description="Transfer to another agency", permissions=["view"])
    def transfer(
        self, request: HttpRequest, seats: QuerySet[Seat]
    ) -> HttpResponse | None:
        def work(chosen: list[Seat], told: dict[str, Any]) -> str:
            moves = _moves(chosen, told.pop("agents"))
            transfer_seats(moves=moves, **_by_staff(request), **told)
            return _done(chosen)

        return ask_and_do(self, request, seats, _dated(MoveForm, seats), work)

    @admin.action(description="Re-open: take back the removal", permissions=["view"])
    def reopen(
        self, request: HttpRequest, seats: QuerySet[Seat]
    ) -> HttpResponse | None:
        def work(chosen: list[Seat], told: dict[str, Any]) -> None:
            reopen_seats(seats=chosen, **_by_staff(request), **told)

        return ask_and_do(self, request, seats, ReasonForm, work)

    @admin.action(description="Cancel: entered by mistake", permissions=["view"])
    def cancel(
        self, request: HttpRequest, seats: QuerySet[Seat]
    ) -> HttpResponse | None:
        def work(chosen: list[Seat], told: dict[str, Any]) -> str:
            return _done(cancel_seats(seats=chosen, **_by_staff(request), **told))

        return ask_and_do(self, request, seats, ReasonForm, work)


def _by_staff(request: HttpRequest) -> dict[str, Any]:
    return {**acting(request), "staff": True}


def _dated(form_class: type[ChangeForm], rows: QuerySet[Any]) -> type[forms.Form]:
    """The form with the day it is at the agencies of these rows, the earliest one."""
    now = timezone.now()
    ids = set(rows.order_by().values_list("agency", flat=True))
    days = local_dates(ids, now=now).values() or [now.date()]
    return proposing(form_class, on=min(days))


def _done(seats: Sequence[Seat]) -> str:
    """What is said of changed seats; what was given away is said too."""
    days = waived_days(seats)
    if not days:
        return "Done."
    return f"Done. Not billed although the seats were used: {days} seat days."


def _moves(seats: list[Seat], text: str) -> list[Move]:
    """Each seat with its line's agent. Raises UnknownAgents."""
    names = [line.split() for line in text.splitlines() if line.strip()]
    if len(names) != len(seats):
        raise UnknownAgents(f"{len(seats)} seats, but {len(names)} agents.")
    wanted = Q(pk__in=[])
    for name in names:
        if len(name) != 2:
            raise UnknownAgents(f"Not AGENCY and agent-id: {' '.join(name)}.")
        wanted |= Q(agency__code=name[0], external_id=name[1])
    found = {
        (agent.agency.code, agent.external_id): agent
        for agent in Agent.objects.select_related("agency").filter(wanted)
    }
    moves = []
    for seat, (agency, agent) in zip(seats, names, strict=True):
        if (agency, agent) not in found:
            raise UnknownAgents(f"No agent {agency} {agent}.")
        moves.append((seat, found[agency, agent]))
    return moves
