"""Add, remove, hand over, transfer, cancel and re-open seats.

Every service changes many seats at once in a constant number of statements. Dates are
local dates of the agency. Repeating a call is refused and never counted twice. `actor`
and `reason` are kept with the version. Only `staff` may backdate more than BACKDATE_DAYS
or waive dates on which a seat was used, with a reason. Nobody may choose a date more
than AHEAD_DAYS ahead.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from django.db import IntegrityError, transaction

from core.errors import ReasonMissing
from core.parsing.values import shown
from core.periods import DAY
from seats.agencies.models import Agency
from seats.agencies.queries.limits import require_near
from seats.cutoffs.services import stamp_facts
from seats.roster.domain.versions import Version
from seats.roster.models import Agent, Seat, SeatVersion
from seats.roster.services.limits import require_recent, uses_removed, waived_or_refused
from seats.roster.services.recording import Entry, SeatsLocked, lock_seats, record
from seats.roster.services.refusals import (
    AgentExists,
    OtherAgency,
    RemovedTooEarly,
    SameAgency,
    SeatIsCancelled,
    SeatNamedTwice,
    SeatNotHeld,
    SeatNotRemoved,
)

Action = SeatVersion.Action
SeatMove = tuple[Seat, Agent]  # a seat, and its new holder


def add_seats(
    *,
    agents: Sequence[Agent],
    on: date,
    actor: str,
    now: datetime,
    until: date | None = None,
    reason: str = "",
    staff: bool = False,
) -> list[Seat]:
    """Add a seat for each agent, at its agency, from a date on.

    With `until`, a planned removal: the first date that is not billed. Raises
    RemovedTooEarly, AgentHasASeat, TooFarBack, TooFarAhead, ReasonMissing.
    """
    agency_ids = {agent.agency_id for agent in agents}
    with transaction.atomic():
        cutoffs = stamp_facts(agency_ids)
        require_near(on, agency_ids=agency_ids, now=now, field="on")
        if until is not None:
            _require_later(until, on)
            require_near(until, agency_ids=agency_ids, now=now, field="until")
        require_recent(agency_ids, on, now, reason, staff=staff)
        seats = Seat.objects.bulk_create(
            Seat(agency_id=agent.agency_id, agent=agent, added_on=on, version=0)
            for agent in agents
        )
        entries = [
            Entry(seat, [], Version(agent.pk, on, on, until), Action.ADD)
            for seat, agent in zip(seats, agents, strict=True)
        ]
        record(entries, cutoffs, actor=actor, reason=reason, now=now)
    return seats


def remove_seats(
    *,
    seats: Sequence[Seat],
    on: date,
    actor: str,
    now: datetime,
    reason: str = "",
    staff: bool = False,
) -> list[Seat]:
    """Remove seats on a date, the first that is not billed (at least one day is billed).

    A seat that was already removed gets the new date. If a seat was used on the date
    itself, that date is billed and `removed_on` is the next date, unless staff give a
    reason. Raises SeatNotHeld for a date before the seat was added, SeatUsedLater,
    SeatIsCancelled, TooFarBack, TooFarAhead, ReasonMissing.
    """
    with transaction.atomic():
        locked, cutoffs = _open(seats, on, now, reason, staff=staff)
        for seat in locked.seats:
            if on < seat.added_on:
                raise SeatNotHeld(
                    f"{seat} begins after {on}. Choose {seat.added_on} or later.",
                    field="on",
                )
        uses = uses_removed(locked, dict.fromkeys(locked.versions, on))
        ends = dict.fromkeys(locked.versions, on)
        if not (staff and reason):
            used_then = [pk for pk, use in uses.items() if use.last == on]
            for pk in used_then:
                ends[pk] = on + DAY
                del uses[pk]
        waived = waived_or_refused(locked, uses, reason=reason, staff=staff)
        entries = [
            locked.entry(
                seat,
                Action.REDATE if seat.removed_on else Action.REMOVE,
                removed_on=ends[seat.pk],
                waived_days=waived.get(seat.pk, 0),
            )
            for seat in locked.seats
        ]
        record(entries, cutoffs, actor=actor, reason=reason, now=now)
    return locked.seats


def hand_over_seats(
    *,
    moves: Sequence[SeatMove],
    on: date,
    actor: str,
    now: datetime,
    reason: str = "",
    staff: bool = False,
) -> list[Seat]:
    """Hand each seat over to another agent of its agency from a date on, free of charge.

    Agents may swap seats in one call. Raises OtherAgency, SeatNamedTwice, SeatNotHeld,
    SeatIsCancelled, AgentHasASeat, TooFarBack, TooFarAhead, ReasonMissing.
    """
    for seat, to in moves:
        if to.agency_id != seat.agency_id:
            raise OtherAgency(
                f"{to} belongs to another agency. Transfer the seat instead.",
                field="agent",
            )
    with transaction.atomic():
        locked, cutoffs = _open(
            [seat for seat, _ in moves], on, now, reason, staff=staff
        )
        entries = []
        for seat, to in _by_seat(moves, locked):
            _require_held(seat, on)
            entry = locked.entry(seat, Action.HAND_OVER, agent_id=to.pk, held_from=on)
            entries.append(entry)
        record(entries, cutoffs, actor=actor, reason=reason, now=now)
    return locked.seats


def transfer_seats(
    *,
    moves: Sequence[SeatMove],
    on: date,
    actor: str,
    now: datetime,
    reason: str = "",
    staff: bool = False,
) -> list[Seat]:
    """End seats on a date and add one for each at the other agents' agencies.

    The new seats keep a planned removal of the old ones. Returns the new seats, in the
    order of the old ones' ids. Raises SameAgency, SeatNamedTwice, SeatNotHeld,
    SeatUsedLater, SeatIsCancelled, AgentHasASeat, TooFarBack, TooFarAhead, ReasonMissing.
    """
    for seat, to in moves:
        if to.agency_id == seat.agency_id:
            raise SameAgency(
                f"{to} belongs to the seat's own agency. Hand the seat over instead.",
                field="agent",
            )
    with transaction.atomic():
        agency_ids = {agency.agency_id for move in moves for agency in move}
        cutoffs = stamp_facts(agency_ids)
        require_near(on, agency_ids=agency_ids, now=now, field="on")
        require_recent({to.agency_id for _, to in moves}, on, now, reason, staff=staff)
        locked, _ = _open([seat for seat, _ in moves], on, now, reason, staff=staff)
        pairs = _by_seat(moves, locked)
        for old, _ in pairs:
            if on == old.added_on:
                raise SeatNotHeld(
                    f"{old} begins on {on}. Choose a later date, or cancel the seat.",
                    field="on",
                )
            _require_held(old, on)
        uses = uses_removed(locked, dict.fromkeys(locked.versions, on))
        waived = waived_or_refused(locked, uses, reason=reason, staff=staff)
        new, entries = _continued_elsewhere(locked, pairs, on, waived)
        record(entries, cutoffs, actor=actor, reason=reason, now=now)
    return new


def cancel_seats(
    *,
    seats: Sequence[Seat],
    actor: str,
    now: datetime,
    reason: str,
    staff: bool = False,
) -> list[Seat]:
    """Cancel seats that were entered by mistake: no date is billed, the history stays.

    Only staff can cancel a seat that was used. Raises SeatUsedLater, SeatIsCancelled,
    TooFarBack, ReasonMissing.
    """
    if not reason:
        raise ReasonMissing("Enter a reason for cancelling the seat.", field="reason")
    with transaction.atomic():
        first = min(seat.added_on for seat in seats)
        locked, cutoffs = _lock(seats, first, now, reason, staff=staff, field="seat")
        uses = uses_removed(locked, dict.fromkeys(locked.versions))
        waived = waived_or_refused(
            locked, uses, reason=reason, staff=staff, field="seat"
        )
        entries = [
            locked.entry(
                seat,
                Action.CANCEL,
                cancelled=True,
                waived_days=waived.get(seat.pk, 0),
            )
            for seat in locked.seats
        ]
        record(entries, cutoffs, actor=actor, reason=reason, now=now)
    return locked.seats


def reopen_seats(
    *,
    seats: Sequence[Seat],
    actor: str,
    now: datetime,
    reason: str = "",
    staff: bool = False,
) -> list[Seat]:
    """Undo the removal of seats: they are billed as if they had not been removed.

    Raises SeatNotRemoved, AgentHasASeat, SeatIsCancelled, TooFarBack, ReasonMissing.
    """
    with transaction.atomic():
        dates = [seat.removed_on for seat in seats if seat.removed_on]
        first = min(dates, default=seats[0].added_on)
        locked, cutoffs = _lock(seats, first, now, reason, staff=staff, field="seat")
        for seat in locked.seats:
            if seat.removed_on is None:
                raise SeatNotRemoved(
                    f"{seat} has not been removed. Only removed seats can be re-opened.",
                    field="seat",
                )
        entries = [
            locked.entry(seat, Action.REOPEN, removed_on=None) for seat in locked.seats
        ]
        record(entries, cutoffs, actor=actor, reason=reason, now=now)
    return locked.seats


def _open(
    seats: Sequence[Seat], on: date, now: datetime, reason: str, *, staff: bool
) -> tuple[SeatsLocked, dict[int, int]]:
    """Stamp, lock and read seats that change on a date of the caller's choice."""
    agency_ids = {seat.agency_id for seat in seats}
    require_near(on, agency_ids=agency_ids, now=now, field="on")
    return _lock(seats, on, now, reason, staff=staff, field="on")


def _lock(
    seats: Sequence[Seat],
    on: date,
    now: datetime,
    reason: str,
    *,
    staff: bool,
    field: str,
) -> tuple[SeatsLocked, dict[int, int]]:
    """Stamp, lock and read seats that change from a given date on.

    `field` is the input that the date comes from.
    """
    agency_ids = {seat.agency_id for seat in seats}
    cutoffs = stamp_facts(agency_ids)
    require_recent(agency_ids, on, now, reason, staff=staff, field=field)
    locked = lock_seats([seat.pk for seat in seats])
    for seat in locked.seats:
        if seat.cancelled:
            raise SeatIsCancelled(
                f"{seat} is cancelled and cannot be changed. Add a new seat instead.",
                field="seat",
            )
    return locked, cutoffs


def _by_seat(
    moves: Sequence[SeatMove], locked: SeatsLocked
) -> list[tuple[Seat, Agent]]:
    """The locked seats with their new holders."""
    to = {seat.pk: agent for seat, agent in moves}
    if len(to) < len(moves):
        raise SeatNamedTwice(
            "A seat is listed more than once. List each seat with one agent.",
            field="seat",
        )
    return [(seat, to[seat.pk]) for seat in locked.seats]


def _continued_elsewhere(
    locked: SeatsLocked,
    pairs: Sequence[tuple[Seat, Agent]],
    on: date,
    waived: Mapping[int, int],
) -> tuple[list[Seat], list[Entry]]:
    """The new seats that continue old ones, and the new versions of both."""
    new = Seat.objects.bulk_create(
        Seat(
            agency_id=to.agency_id,
            agent=to,
            added_on=on,
            version=0,
            transferred_from=old,
        )
        for old, to in pairs
    )
    entries = [
        locked.entry(
            old, Action.TRANSFER, removed_on=on, waived_days=waived.get(old.pk, 0)
        )
        for old, _ in pairs
    ]
    entries += [
        Entry(seat, [], Version(seat.agent_id, on, on, old.removed_on), Action.TRANSFER)
        for seat, (old, _) in zip(new, pairs, strict=True)
    ]
    return new, entries


def _require_later(until: date, on: date) -> None:
    if until <= on:
        raise RemovedTooEarly(
            f"A seat from {on} cannot be removed on {until}. Choose a later date.",
            field="until",
        )


def _require_held(seat: Seat, on: date) -> None:
    if on < seat.added_on or (seat.removed_on is not None and on >= seat.removed_on):
        raise SeatNotHeld(
            f"{seat} has no holder on {on}. Choose a date on which it is held.",
            field="on",
        )


def add_agents(
    *, agency: Agency, agents: Sequence[Agent], now: datetime
) -> list[Agent]:
    """Save new agents (unsaved instances) of an agency, all or none.

    Raises AgentExists.
    """
    for agent in agents:
        agent.agency = agency
        agent.created_at = now
    existing = set(
        Agent.objects.filter(
            agency=agency, external_id__in=[agent.external_id for agent in agents]
        ).values_list("external_id", flat=True)
    )
    for agent in agents:
        if agent.external_id in existing:
            raise AgentExists(
                f"{agency.code} already has an agent {shown(agent.external_id)}.",
                field="external_id",
            )
    try:
        with transaction.atomic():
            return Agent.objects.bulk_create(agents)
    except IntegrityError as error:
        raise AgentExists(
            "Two of the agents have the same external_id. Send each agent once.",
            field="external_id",
        ) from error
