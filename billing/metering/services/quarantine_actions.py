"""Resolving events in quarantine: release them, replace counted events, or drop them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from billing.metering.domain.events import LONGEST_NAME, IncomingEvent, IngestResult
from billing.metering.models import QuarantinedEvent
from billing.metering.services.ingest import ingest_events
from billing.metering.services.quarantine import event_from_payload
from core.errors import Refusal
from core.parsing.values import shown
from seats.cutoffs.services import stamp_facts
from seats.models import Agency

State = QuarantinedEvent.State
MARK_DIGITS = 8  # hex digits that a correction's id adds to the id it corrects


class NotHeld(Refusal):
    """The event is no longer held in quarantine.

    Reload the page; only held events can be changed.
    """

    code = "not_held"


class NotAConflict(Refusal):
    """The event is in quarantine for another reason than a conflict.

    Release the event instead.
    """

    code = "not_a_conflict"


def release_events(
    *,
    event_ids: Sequence[int],
    actor: str,
    now: datetime,
    agency: str = "",
    agent: str = "",
) -> int:
    """Ingest held events again; returns how many are counted, now or before.

    `agency` (a code) and `agent` (an external id) replace those of the events, if given.
    Events that are rejected again stay held, with the new reason. All changes are one
    transaction. Raises NotHeld.
    """
    with transaction.atomic():
        held = _lock(event_ids)
        events = [
            _reattributed(event_from_payload(row.event), agency, agent) for row in held
        ]
        return _ingest_held(held, events, actor, now)


def replace_events(*, event_ids: Sequence[int], actor: str, now: datetime) -> int:
    """Count held conflicts in place of the counted events with the same ids.

    Each becomes a new event that supersedes the counted one. Returns how many are
    counted; the others stay held, with the new reason. Raises NotHeld, NotAConflict.
    """
    with transaction.atomic():
        held = _lock(event_ids)
        for row in held:
            if row.code != "conflict":
                raise NotAConflict(
                    f"The event {shown(str(row))} is held as {row.code}, not as a"
                    " conflict. Release it instead.",
                    field="event",
                )
        events = [_correction(row) for row in held]
        return _ingest_held(held, events, actor, now)


def drop_events(*, event_ids: Sequence[int], actor: str, now: datetime) -> int:
    """Drop held events: they are not counted, but stay on record. Raises NotHeld."""
    with transaction.atomic():
        held = _lock(event_ids)
        for row in held:
            _resolve(row, State.DROPPED, actor, now)
        _save(held)
        return len(held)


def _lock(event_ids: Sequence[int]) -> list[QuarantinedEvent]:
    rows = QuarantinedEvent.objects.select_for_update().filter(pk__in=event_ids)
    held = list(rows.order_by("pk"))
    for row in held:
        if row.state != State.HELD:
            raise NotHeld(
                f"The event {shown(str(row))} was already {row.state} by"
                f" {row.settled_by}. Only held events can be changed.",
                field="event",
            )
    return held


def _reattributed(event: IncomingEvent, agency: str, agent: str) -> IncomingEvent:
    return replace(event, agency=agency or event.agency, agent=agent or event.agent)


def _correction(row: QuarantinedEvent) -> IncomingEvent:
    event = event_from_payload(row.event)
    mark = f"~{row.content.hex[:MARK_DIGITS]}"
    correction_id = event.id[: LONGEST_NAME - len(mark)] + mark
    return replace(event, id=correction_id, supersedes=event.id)


def _ingest_held(
    held: Sequence[QuarantinedEvent],
    events: Sequence[IncomingEvent],
    actor: str,
    now: datetime,
) -> int:
    # Lock all agencies at once and in order: a cut of two of them would deadlock with us.
    codes = {event.agency for event in events}
    stamp_facts(Agency.objects.filter(code__in=codes).values_list("pk", flat=True))
    results: dict[int, IngestResult] = {}
    # Lateness counts from the time at which an event was first received.
    for owner, received_at in sorted({(row.owner, row.received_at) for row in held}):
        positions = [
            n
            for n, row in enumerate(held)
            if (row.owner, row.received_at) == (owner, received_at)
        ]
        group_results = ingest_events(
            [events[n] for n in positions],
            owner=owner,
            now=received_at,
            quarantining=False,
        )
        results |= dict(zip(positions, group_results, strict=True))
    for n, row in enumerate(held):
        if results[n].status == "rejected":
            row.code, row.message = results[n].code, results[n].message[:500]
        else:
            _resolve(row, State.RELEASED, actor, now)
    _save(held)
    return sum(row.state == State.RELEASED for row in held)


def _resolve(
    row: QuarantinedEvent, state: QuarantinedEvent.State, actor: str, now: datetime
) -> None:
    row.state, row.settled_by, row.settled_at = state, actor, now


def _save(rows: Sequence[QuarantinedEvent]) -> None:
    QuarantinedEvent.objects.bulk_update(
        rows, ["state", "code", "message", "settled_at", "settled_by"]
    )
