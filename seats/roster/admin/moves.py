"""Sentences about what members do with agents and seats, before they confirm it.

The change itself is tried out for the effect on the next invoices, so what a service
would refuse is refused here already.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from django.http import HttpRequest

from core.admin.actions import Unchanged
from core.admin.readonly import actor_and_now
from seats.agencies.models import Agency
from seats.roster.admin import effects
from seats.roster.admin.agent_forms import AgentForm, is_agency_open
from seats.roster.admin.forms import MOST_MOVES, moves_of, today_of
from seats.roster.admin.previews import changed_or_blocked, with_invoices
from seats.roster.models import Agent, Seat
from seats.roster.services.agents import DETAILS, add_agents_with_seats
from seats.roster.services.seats import (
    SeatMove,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)

Data = dict[str, Any] | None
UNTIL_GIVEN = "preview"  # a reason, as long as none was entered


def added(request: HttpRequest, agents: list[Agent], data: Data) -> list[str]:
    """Agents who get a seat."""
    on, today = _on(data, agents), today_of(agents)
    until = data["until"] if data else None
    return with_invoices(
        request,
        {agent.agency_id for agent in agents},
        effects.added(agents, on, today, until),
        lambda: add_seats(agents=agents, on=on, until=until, **actor_and_now(request)),
        is_final=data is not None,
    )


def agents_added(request: HttpRequest, agencies: list[Agency], data: Data) -> list[str]:
    """New agents of an agency, with seats from a date on, if there is one."""
    (agency,) = agencies
    if data is None:
        of = "the agency below" if is_agency_open(request) else agency.code
        return [f"The agents entered below are new agents of {of}."]
    on, until, agents = data.get("on"), data.get("until"), data["agents"].unsaved()
    for agent in agents:
        agent.agency = agency
    lines = [
        f"{agent.external_id} ({agent.name}) is a new agent of {agency.code}."
        for agent in agents
    ]
    if on:
        lines += effects.added(agents, on, today_of(agencies), until)
    return with_invoices(
        request,
        {agency.pk},
        lines,
        lambda: add_agents_with_seats(
            agency=agency,
            agents=data["agents"].unsaved(),
            on=on,
            until=until,
            **actor_and_now(request),
        ),
        is_final=True,
    )


def details_changed(request: HttpRequest, agents: list[Agent], data: Data) -> list[str]:
    """An agent whose name, addresses or ids change; the bill does not."""
    (agent,) = agents
    if data is None:
        return [f"{agent} gets the details entered below. The bill stays the same."]
    labels = AgentForm.base_fields
    lines = [
        f"{labels[name].label or name.capitalize()} of {agent}:"
        f" {getattr(agent, name) or 'empty'} becomes {data[name] or 'empty'}."
        for name in DETAILS
        if data[name] != getattr(agent, name)
    ]
    return lines or [Unchanged(f"The details of {agent} are as you entered them.")]


def removed(request: HttpRequest, seats: list[Seat], data: Data) -> list[str]:
    """Seats that are removed."""
    on, today = _on(data, seats), today_of(seats)
    return effects.blocked(seats) or with_invoices(
        request,
        _agencies(seats),
        effects.removed(seats, on, today),
        lambda: remove_seats(seats=seats, on=on, **actor_and_now(request)),
        is_final=data is not None,
    )


def handed_over(request: HttpRequest, seats: list[Seat], data: Data) -> list[str]:
    """Seats with new holders of the same agency."""
    return _moved(
        request,
        seats,
        data,
        "gets the holder entered below",
        effects.handed_over,
        hand_over_seats,
    )


def transferred(request: HttpRequest, seats: list[Seat], data: Data) -> list[str]:
    """Seats that go on at other agencies."""
    return _moved(
        request,
        seats,
        data,
        "moves to the agency of the agent entered below",
        lambda moves, on: effects.transferred(moves, on, today_of(seats)),
        transfer_seats,
    )


def reopened(request: HttpRequest, seats: list[Seat], data: Data) -> list[str]:
    """Seats whose removal is taken back."""
    return effects.blocked(seats, reopening=True) or changed_or_blocked(
        request,
        _agencies(seats),
        effects.reopened(seats, today_of(seats)),
        lambda: reopen_seats(seats=seats, **actor_and_now(request)),
    )


def cancelled(request: HttpRequest, seats: list[Seat], data: Data) -> list[str]:
    """Seats that were entered by mistake."""
    return effects.blocked(seats) or changed_or_blocked(
        request,
        _agencies(seats),
        effects.cancelled(seats, today_of(seats)),
        lambda: cancel_seats(seats=seats, reason=UNTIL_GIVEN, **actor_and_now(request)),
    )


def _moved(
    request: HttpRequest,
    seats: list[Seat],
    data: Data,
    before: str,
    sentences: Callable[[list[SeatMove], date], list[str]],
    service: Callable[..., object],
) -> list[str]:
    if len(seats) > MOST_MOVES:
        return [Unchanged(f"Choose up to {MOST_MOVES} seats at a time.")]
    if (reasons := effects.blocked(seats)) or data is None:
        return reasons or [f"{seat} {before}." for seat in seats]
    moves, on = moves_of(seats, data), data["on"]
    return with_invoices(
        request,
        {row.agency_id for move in moves for row in move},
        sentences(moves, on),
        lambda: service(moves=moves, on=on, **actor_and_now(request)),
        is_final=True,
    )


def _on(data: Data, rows: list[Any]) -> date:
    """The date that was entered; before that, the first that the form offers."""
    on: date = data["on"] if data else today_of(rows)
    return on


def _agencies(seats: list[Seat]) -> set[int]:
    return {seat.agency_id for seat in seats}
