"""Sentences about undoing the last change of seats, before members confirm it."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from core.admin.actions import Unchanged
from core.admin.readonly import actor_and_now
from core.admin.scoped import reach_in
from seats.access.domain import Action
from seats.roster.admin.forms import DIGITS
from seats.roster.admin.previews import changed_or_blocked
from seats.roster.admin.row_actions import RowAction, list_url
from seats.roster.models import Seat, SeatVersion
from seats.roster.queries import LastChange, last_changes
from seats.roster.services.undoing import is_fresh, undo_changes

Done = SeatVersion.Action


def undone(
    request: HttpRequest, seats: list[Seat], data: dict[str, Any] | None
) -> list[str]:
    """What was done last to each seat, and what it is like without that."""
    changes = last_changes(seats)
    denied: list[str] = [
        Unchanged(f"You may undo hand-overs alone, and {change.seat} was changed so.")
        for change in changes.values()
        if not may_undo(request, change)
    ]
    ids = {seat.agency_id for seat in seats}
    ids |= {change.other.agency_id for change in changes.values() if change.other}
    return denied or changed_or_blocked(
        request,
        ids,
        [_sentence(change) for change in changes.values()],
        lambda: undo(request, seats, reason=""),
    )


def undo(request: HttpRequest, seats: list[Seat], reason: str) -> None:
    """Undo what the person may undo; a change that came in since is not meant.

    Raises PermissionDenied, and what `undo_changes` raises.
    """
    changes = last_changes(seats)
    if not all(may_undo(request, change) for change in changes.values()):
        raise PermissionDenied
    seen = {pk: change.newest.number for pk, change in changes.items()}
    versions = {**seen, **_version_named(request, seats)}
    undo_changes(
        seats=seats, versions=versions, reason=reason, **actor_and_now(request)
    )


def _version_named(request: HttpRequest, seats: list[Seat]) -> dict[int, int]:
    """The change that the page meant on which undoing it was offered, if it named one."""
    text = request.POST.get("version", "")
    is_named = len(seats) == 1 and DIGITS.fullmatch(text)
    return {seats[0].pk: int(text)} if is_named else {}


def may_undo(request: HttpRequest, change: LastChange) -> bool:
    """Whether the person could have made the change, at all agencies concerned."""
    is_hand_over = change.newest.action == Done.HAND_OVER
    action = Action.HAND_OVER_SEATS if is_hand_over else Action.CHANGE_SEATS
    ids = {change.seat.agency_id, *([change.other.agency_id] if change.other else [])}
    return ids <= reach_in(request).agencies(action)


def undo_buttons(
    page: Any, request: HttpRequest, seats: Sequence[Seat]
) -> list[RowAction]:
    """A button for each seat whose last change the person may undo now."""
    url, now = list_url(page, "seat"), timezone.now()
    return [
        RowAction(
            url,
            "undo",
            change.seat.pk,
            f"Undo: seat {change.newest.get_action_display()}",
            change.newest.number,
        )
        for change in last_changes(seats).values()
        if is_fresh(change, now=now) and may_undo(request, change)
    ]


def _sentence(change: LastChange) -> str:
    seat, newest, previous = change.seat, change.newest, change.previous
    if newest.action == Done.ADD or previous is None:
        if change.other is None:
            return f"{seat} is cancelled: no date of it is billed."
        return f"{seat} is cancelled, and {change.other} goes on."
    if newest.action == Done.HAND_OVER:
        is_simple = previous.held_from <= newest.held_from
        holder = previous.agent if is_simple else "whoever held it before"
        return (
            f"{seat} is held by {holder} again, from {newest.held_from} on. The bill"
            " stays the same."
        )
    if newest.action == Done.TRANSFER:
        return f"{seat} goes on, and {change.other} is cancelled."
    if previous.removed_on:
        return f"{seat} is removed on {previous.removed_on} again."
    return f"{seat} is billed as if it had not been removed."
