"""What happened to seats and agents, in plain words, for members of agencies.

Only people of agencies within reach are named, as in the history of any row; what they
wrote as a reason is shown with their names alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest

from core.admin.scoped import reach_in, without_secrets
from core.periods import local_date
from seats.access.domain import Action
from seats.agencies.queries.agencies import zones_of
from seats.roster.models import Agent, Seat, SeatVersion

Done = SeatVersion.Action
MOST = 200  # changes of one page
OTHER_AGENT = "another agent"
OTHER_AGENCY = "another agency"


@dataclass(frozen=True, slots=True)
class Event:
    """A change: the local date on which it was recorded, and what happened."""

    on: date
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class _View:
    """What the person may see: names of people, of agents (None: all), of agencies."""

    people: Mapping[str, str]
    agents: Collection[int] | None
    agencies: Mapping[tuple[int, bool], str]

    def agent(self, agent: Agent) -> str:
        is_seen = self.agents is None or agent.pk in self.agents
        return agent.name if is_seen else OTHER_AGENT

    def sentence(self, actor: str, active: str, passive: str) -> str:
        person = self.people.get(actor)
        return f"{person} {active}" if person else f"{passive[0].upper()}{passive[1:]}"


def timeline_of_seat(request: HttpRequest, seat: Seat) -> list[Event]:
    """The changes of a seat, the newest first. A constant number of queries."""
    return _events(request, [seat], seat.agency_id)


def timeline_of_agent(request: HttpRequest, agent: Agent) -> list[Event]:
    """The changes of all seats that an agent ever held, as far as they are about it."""
    held = SeatVersion.objects.filter(agent=agent).values("seat")
    seats = Seat.objects.filter(pk__in=held).select_related("agency", "agent")
    return _events(request, list(seats), agent.agency_id, about=agent)


def _events(
    request: HttpRequest,
    seats: Sequence[Seat],
    agency_id: int,
    about: Agent | None = None,
) -> list[Event]:
    rows = SeatVersion.objects.filter(seat__in=[seat.pk for seat in seats])
    newest = rows.select_related("agent").order_by("-recorded_at", "-pk")[: MOST + 1]
    versions = sorted(newest, key=lambda row: (row.seat_id, row.number))
    view = _view(request, agency_id, versions, seats)
    (zones,) = zones_of([agency_id]).values()
    events: list[tuple[SeatVersion, Event]] = []
    before: SeatVersion | None = None
    for row in versions:
        previous = before if before and before.seat_id == row.seat_id else None
        before = row
        if not _is_about(row, previous, about, view):
            continue
        on = local_date(row.recorded_at, zones)
        note = row.reason if row.actor in view.people else ""
        events.append((row, Event(on, _text(row, previous, view, on), note)))
    events.sort(key=lambda item: (item[0].recorded_at, item[0].pk), reverse=True)
    return [event for _, event in events[:MOST]]


def _is_about(
    row: SeatVersion, previous: SeatVersion | None, about: Agent | None, view: _View
) -> bool:
    """Whether the agent is concerned, and the person may see the change of it."""
    involved = {row.agent_id, *([previous.agent_id] if previous else [])}
    if view.agents is not None and involved.isdisjoint(view.agents):
        return False
    return about is None or about.pk in involved


def _view(
    request: HttpRequest,
    agency_id: int,
    versions: Collection[SeatVersion],
    seats: Collection[Seat],
) -> _View:
    reach = reach_in(request)
    sees_all = agency_id in reach.agencies(Action.VIEW_SEATS)
    people = get_user_model()._default_manager.filter(
        email__in={row.actor for row in versions},
        is_staff=False,
        memberships__agency__in=reach.agencies(Action.VIEW_AGENCIES),
    )
    return _View(
        {user.email: user.get_full_name() for user in without_secrets(people)},
        None if sees_all else reach.agents(Action.VIEW_SEATS),
        _other_agencies(seats, reach.agencies(Action.VIEW_AGENCIES)),
    )


def _other_agencies(
    seats: Collection[Seat], visible: Collection[int]
) -> dict[tuple[int, bool], str]:
    """The agency that each seat went to (True) or came from (False), if it may be seen."""
    ids = {seat.pk for seat in seats}
    from_ids = {seat.transferred_from_id for seat in seats} - {None}
    if not ids:
        return {}
    rows = Seat.objects.filter(Q(transferred_from__in=ids) | Q(pk__in=from_ids))
    names: dict[tuple[int, bool], str] = {}
    by_id = {}
    for row in rows.select_related("agency"):
        by_id[row.pk] = row
        if row.transferred_from_id in ids and row.agency_id in visible:
            names[row.transferred_from_id, True] = row.agency.name
    for seat in seats:
        origin = by_id.get(seat.transferred_from_id or 0)
        if origin and origin.agency_id in visible:
            names[seat.pk, False] = origin.agency.name
    return names


def _text(
    row: SeatVersion, previous: SeatVersion | None, view: _View, recorded_on: date
) -> str:
    """The change as a sentence: who did what, with the dates that it is about."""
    holder = view.agent(row.agent)
    seat = f"the seat of {holder}"
    if row.action == Done.ADD:
        until = f" until {row.removed_on}" if row.removed_on else ""
        return view.sentence(
            row.actor, f"added a seat for {holder}, from {row.added_on}{until}",
            f"a seat was added for {holder}, from {row.added_on}{until}",
        )  # fmt: skip
    if row.action == Done.HAND_OVER:
        earlier = view.agent(previous.agent) if previous else OTHER_AGENT
        since = "" if row.held_from == recorded_on else f", from {row.held_from} on"
        move = f"from {earlier} to {holder}{since}"
        return view.sentence(
            row.actor, f"handed the seat {move}", f"the seat was handed {move}"
        )
    if row.action == Done.TRANSFER and previous is None:
        origin = view.agencies.get((row.seat_id, False), OTHER_AGENCY)
        move = f"from {origin} to {holder}, from {row.added_on} on"
        return view.sentence(
            row.actor, f"transferred a seat {move}", f"a seat was transferred {move}"
        )
    return view.sentence(row.actor, *_ending(row, seat, view))


def _ending(row: SeatVersion, seat: str, view: _View) -> tuple[str, str]:
    """A change of the end of a seat, as somebody's and as nobody's deed."""
    if row.action == Done.TRANSFER:
        to = view.agencies.get((row.seat_id, True), OTHER_AGENCY)
        move = f"to {to}, from {row.removed_on} on"
        return f"transferred {seat} {move}", f"{seat} was transferred {move}"
    if row.action == Done.REMOVE:
        return (
            f"removed {seat} as of {row.removed_on}",
            f"{seat} was removed as of {row.removed_on}",
        )
    if row.action == Done.REDATE:
        to = f"to {row.removed_on}"
        return (
            f"moved the removal of {seat} {to}",
            f"the removal of {seat} was moved {to}",
        )
    if row.action == Done.REOPEN:
        return f"re-opened {seat}", f"{seat} was re-opened"
    return f"cancelled {seat}", f"{seat} was cancelled"
