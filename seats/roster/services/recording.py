"""Write seat versions, and the seats and holdings derived from them, in bulk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from core.errors import Kind, Refusal
from seats.roster.domain.versions import Version, holdings_of
from seats.roster.domain.webhook_events import (
    SeatAdded,
    SeatCancelled,
    SeatEvent,
    SeatHandedOver,
    SeatRedated,
    SeatRemoved,
    SeatReopened,
    SeatTransferred,
)
from seats.roster.models import Agent, Seat, SeatHolding, SeatVersion
from seats.roster.queries import version_of
from seats.signals import events_published

SEAT_EVENTS: Mapping[SeatVersion.Action, type[SeatEvent]] = {
    SeatVersion.Action.ADD: SeatAdded,
    SeatVersion.Action.REMOVE: SeatRemoved,
    SeatVersion.Action.HAND_OVER: SeatHandedOver,
    SeatVersion.Action.TRANSFER: SeatTransferred,
    SeatVersion.Action.REOPEN: SeatReopened,
    SeatVersion.Action.CANCEL: SeatCancelled,
    SeatVersion.Action.REDATE: SeatRedated,
}


class AgentHasASeat(Refusal):
    """The agent already has a seat on one of these dates.

    Choose other dates or another agent.
    """

    code = "agent_has_a_seat"
    kind = Kind.CONFLICT


class SeatHasAHolder(Refusal):
    """The seat already has a holder on one of these dates.

    Choose other dates.
    """

    code = "seat_has_a_holder"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Entry:
    """A version to be appended to those of a seat (`before`).

    `waived_days` counts the used dates that it takes off the bill.
    """

    seat: Seat
    before: list[Version]
    version: Version
    action: str
    waived_days: int = 0


@dataclass(frozen=True, slots=True)
class SeatsLocked:
    """Seats locked in the order of their ids, with their versions in order."""

    seats: list[Seat]
    versions: dict[int, list[Version]]

    def entry(
        self, seat: Seat, action: str, *, waived_days: int = 0, **changes: Any
    ) -> Entry:
        """The next version of a seat: its newest version with these changes."""
        before = self.versions[seat.pk]
        return Entry(seat, before, replace(before[-1], **changes), action, waived_days)


def lock_seats(seat_ids: Sequence[int]) -> SeatsLocked:
    """Lock seats until the commit, in the order of their ids, and read their versions."""
    seats = list(
        Seat.objects.select_for_update().filter(pk__in=seat_ids).order_by("pk")
    )
    return SeatsLocked(
        seats, read_versions(SeatVersion.objects.filter(seat__in=seat_ids))
    )


def read_versions(rows: QuerySet[SeatVersion]) -> dict[int, list[Version]]:
    """These versions by seat id, those of each seat in order."""
    versions: dict[int, list[Version]] = {}
    for row in rows.order_by("seat", "number"):
        versions.setdefault(row.seat_id, []).append(version_of(row))
    return versions


def record(
    entries: Sequence[Entry],
    cutoffs: dict[int, int],
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Append the versions, update seats and holdings, and publish their events.

    `cutoffs` are the cut-offs by agency id. Must be called in the transaction that locked
    the seats. Raises AgentHasASeat, SeatHasAHolder.
    """
    written = SeatVersion.objects.bulk_create(
        SeatVersion(
            seat=entry.seat,
            agency_id=entry.seat.agency_id,
            number=entry.seat.version + 1,
            action=entry.action,
            agent_id=entry.version.agent_id,
            held_from=entry.version.held_from,
            added_on=entry.version.added_on,
            removed_on=entry.version.removed_on,
            cancelled=entry.version.cancelled,
            waived_days=entry.waived_days,
            actor=actor,
            reason=reason,
            cutoff=cutoffs[entry.seat.agency_id],
            recorded_at=now,
        )
        for entry in entries
    )
    _project(entries)
    names = dict(
        Agent.objects.filter(pk__in={v.agent_id for v in written}).values_list(
            "pk", "external_id"
        )
    )
    public_ids = dict(
        Seat.objects.filter(pk__in=[entry.seat.pk for entry in entries]).values_list(
            "pk", "public_id"
        )
    )
    events = [
        _event(version, public_ids[version.seat_id], names[version.agent_id])
        for version in written
    ]
    events_published.send(Seat, events=events, now=now)


def _event(version: SeatVersion, seat_id: UUID, agent: str) -> SeatEvent:
    return SEAT_EVENTS[SeatVersion.Action(version.action)](
        agency_id=version.agency_id,
        subject=f"seat:{seat_id}",
        seat=seat_id,
        version=version.number,
        agent=agent,
        held_from=version.held_from,
        added_on=version.added_on,
        removed_on=version.removed_on,
        cancelled=version.cancelled,
        waived_days=version.waived_days,
        actor=version.actor,
        reason=version.reason,
        cutoff=version.cutoff,
    )


def _project(entries: Sequence[Entry]) -> None:
    """Derive seats and holdings from their versions; overlaps are refused here."""
    holdings = []
    for entry in entries:
        seat, versions = entry.seat, [*entry.before, entry.version]
        held = holdings_of(versions)
        seat.agent_id = held[-1].agent_id if held else entry.version.agent_id
        seat.added_on = entry.version.added_on
        seat.removed_on = entry.version.removed_on
        seat.cancelled = entry.version.cancelled
        seat.version += 1
        holdings += [
            SeatHolding(
                seat=seat,
                agency_id=seat.agency_id,
                agent_id=holding.agent_id,
                starts_on=holding.starts_on,
                ends_on=holding.ends_on,
            )
            for holding in held
        ]
    seats = [entry.seat for entry in entries]
    Seat.objects.bulk_update(
        seats, ["agent", "added_on", "removed_on", "cancelled", "version"]
    )
    SeatHolding.objects.filter(seat__in=seats).delete()
    try:
        with transaction.atomic():
            SeatHolding.objects.bulk_create(holdings)
    except IntegrityError as error:
        if "one_seat_per_agent_and_date" in str(error):
            raise AgentHasASeat(_overlap_message(holdings), field="agent") from error
        if "one_holder_per_seat_and_date" in str(error):
            raise SeatHasAHolder(
                "The seat already has a holder on one of these dates. Choose other dates.",
                field="seat",
            ) from error
        raise


def _overlap_message(wanted: Sequence[SeatHolding]) -> str:
    """Which seat an agent already holds, and what to do about it."""
    held: dict[int, list[SeatHolding]] = {}
    rows = SeatHolding.objects.filter(agent__in={new.agent_id for new in wanted})
    for row in rows.select_related("agent", "seat").order_by("starts_on"):
        held.setdefault(row.agent_id, []).append(row)
    for new in wanted:
        for holding in held.get(new.agent_id, []):
            if _overlap(new, holding):
                return _already_held(holding)
    return "An agent would hold two seats on the same date. Choose other dates."


def _overlap(holding: SeatHolding, other: SeatHolding) -> bool:
    return (other.ends_on is None or holding.starts_on < other.ends_on) and (
        holding.ends_on is None or other.starts_on < holding.ends_on
    )


def _already_held(holding: SeatHolding) -> str:
    seat, name = holding.seat, holding.agent.external_id
    if seat.removed_on == seat.added_on:
        return (
            f"{name} has a seat that was added and removed on {seat.added_on}. Re-open"
            f" it instead: POST /api/v1/seats/{seat.public_id}/reopen"
        )
    until = f" until {holding.ends_on}" if holding.ends_on else ""
    return (
        f"{name} already holds seat {seat.public_id} from {holding.starts_on}{until}."
    )
