"""Undo the last change of seats within a day, by the change that is its opposite.

Nothing is taken out of the history: an undone change stays in it, and so does its undoing,
which can be undone in turn.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from seats.cutoffs.services import stamp_facts
from seats.roster.domain.versions import holdings_of
from seats.roster.models import Agent, Seat, SeatVersion
from seats.roster.queries import LastChange, last_changes
from seats.roster.services.agents import last_uses
from seats.roster.services.recording import SeatsLocked, lock_seats
from seats.roster.services.refusals import ChangedSince, NothingToUndo
from seats.roster.services.seats import (
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
)

FRESH = timedelta(hours=24)
WITHOUT_REASON = "Undone"
Action = SeatVersion.Action


def is_fresh(change: LastChange, *, now: datetime) -> bool:
    """Whether a change may still be undone, if nothing came after it."""
    return (
        change.newest.action != Action.CANCEL
        and now - change.newest.recorded_at < FRESH
    )


def undo_changes(
    *,
    seats: Sequence[Seat],
    actor: str,
    now: datetime,
    reason: str = "",
    versions: Mapping[int, int] | None = None,
) -> list[Seat]:
    """Undo the last change of each seat, if it was made within the last 24 hours.

    A removal is taken back, an added seat is cancelled, a hand-over and a transfer go back.
    `versions` are the numbers of the changes that are meant, by seat id. All or none. Raises
    NothingToUndo, ChangedSince, SeatUsedLater, AgentHasASeat, TooFarBack.
    """
    by = {"actor": actor, "now": now, "reason": reason or WITHOUT_REASON}
    with transaction.atomic():
        before = last_changes(seats)
        ends = [change.other for change in before.values() if change.other]
        involved = {seat.pk: seat for seat in [*seats, *ends]}
        stamp_facts({seat.agency_id for seat in involved.values()})
        locked = lock_seats(list(involved))
        changes = last_changes(locked.seats)  # under the lock nothing comes in between
        for seat in seats:
            _require_undoable(changes[seat.pk], (versions or {}).get(seat.pk), now)
        _undo_dates([changes[seat.pk] for seat in seats], by)
        _undo_transfers([changes[seat.pk] for seat in seats], changes, by)
        _hand_back([changes[seat.pk] for seat in seats], locked, by)
    return list(seats)


def _require_undoable(change: LastChange, version: int | None, now: datetime) -> None:
    newest = change.newest
    if version is not None and version != newest.number:
        raise ChangedSince(
            f"{change.seat} was {newest.get_action_display()} after that. Look at its"
            " history first."
        )
    if newest.action == Action.CANCEL:
        raise NothingToUndo(
            f"{change.seat} is cancelled and stays so. Add a new seat instead."
        )
    if not is_fresh(change, now=now):
        raise NothingToUndo(
            f"{change.seat} was last changed more than 24 hours ago. Make the opposite"
            " change instead."
        )


def _undo_dates(changes: Sequence[LastChange], by: Mapping[str, Any]) -> None:
    """Cancel what was added, and put back the dates of removal."""
    added = [c.seat for c in changes if c.newest.action == Action.ADD]
    if added:
        cancel_seats(seats=added, **by)
    dated = {Action.REMOVE, Action.REDATE, Action.REOPEN}
    by_date: dict[date | None, list[Seat]] = {}
    for change in changes:
        if change.newest.action in dated and change.previous:
            by_date.setdefault(change.previous.removed_on, []).append(change.seat)
    for removed_on, seats in by_date.items():
        _put_end(seats, removed_on, by)


def _put_end(
    seats: Sequence[Seat], removed_on: date | None, by: Mapping[str, Any]
) -> None:
    if removed_on is None:
        reopen_seats(seats=seats, **by)
    else:
        remove_seats(seats=seats, on=removed_on, **by)


def _undo_transfers(
    changes: Sequence[LastChange],
    all_changes: Mapping[int, LastChange],
    by: Mapping[str, Any],
) -> None:
    """Cancel the seats that began, and let those that ended go on."""
    ended: dict[int, LastChange] = {}
    begun: dict[int, Seat] = {}
    for change in changes:
        if change.newest.action != Action.TRANSFER or change.other is None:
            continue
        other = all_changes.get(change.other.pk)
        if other is None or other.newest.action != Action.TRANSFER:
            raise ChangedSince(
                f"{change.other} was changed after the transfer. Look at its history"
                " first."
            )
        old, new = (other, change) if change.previous is None else (change, other)
        ended[old.seat.pk], begun[new.seat.pk] = old, new.seat
    if not begun:
        return
    cancel_seats(seats=list(begun.values()), **by)
    reopen_seats(seats=[change.seat for change in ended.values()], **by)
    planned: dict[date, list[Seat]] = {}
    for change in ended.values():
        if change.previous and change.previous.removed_on:
            planned.setdefault(change.previous.removed_on, []).append(change.seat)
    for removed_on, seats in planned.items():
        remove_seats(seats=seats, on=removed_on, **by)


def _hand_back(
    changes: Sequence[LastChange], locked: SeatsLocked, by: Mapping[str, Any]
) -> None:
    """Give seats to who held them before, on every date of the hand-over."""
    handed = [c for c in changes if c.newest.action == Action.HAND_OVER]
    _require_unused(handed)
    steps: dict[tuple[int, date], list[tuple[Seat, int]]] = {}
    for change in handed:
        on = change.newest.held_from
        before = holdings_of(locked.versions[change.seat.pk][:-1])
        later = [held for held in before if held.ends_on is None or held.ends_on > on]
        for place, held in enumerate(later):
            step = steps.setdefault((place, max(held.starts_on, on)), [])
            step.append((change.seat, held.agent_id))
    holders = Agent.objects.in_bulk({pk for step in steps.values() for _, pk in step})
    for (_, on), step in sorted(steps.items()):
        moves = [(seat, holders[agent_id]) for seat, agent_id in step]
        hand_over_seats(moves=moves, on=on, **by)


def _require_unused(handed: Sequence[LastChange]) -> None:
    used = last_uses({change.newest.agent_id for change in handed})
    for change in handed:
        newest = change.newest
        last = used.get(newest.agent_id)
        if last is not None and last >= newest.held_from:
            raise ChangedSince(
                f"{newest.agent} used the seat on {last}. Hand it over from a later date"
                " on instead."
            )
