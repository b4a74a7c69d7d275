"""What people decide about events in quarantine: count, count instead, or drop."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from billing.metering.events import LONGEST_NAME, IncomingEvent, IngestResult
from billing.metering.models import QuarantinedEvent
from billing.metering.quarantine import event_from_payload
from billing.metering.services import ingest_events
from seats.cutoffs.services import stamp_facts
from seats.errors import Refusal
from seats.models import Agency

State = QuarantinedEvent.State
MARK = 8  # hex digits that tell a correction's id from the id it corrects


class NotHeld(Refusal):
    code = "not_held"


class NotAConflict(Refusal):
    code = "not_a_conflict"


def release_events(
    *,
    event_ids: Sequence[int],
    actor: str,
    now: datetime,
    agency: str = "",
    agent: str = "",
) -> int:
    """Tell held events again, for another agency or agent if given by code; how many
    are counted now, or were already.

    The others stay, and say why. Repeating is harmless. Raises NotHeld.
    """
    with transaction.atomic():
        held = _lock(event_ids)
        told = [_mapped(event_from_payload(row.event), agency, agent) for row in held]
        return _settle(held, told, actor, now)


def replace_counted_events(
    *, event_ids: Sequence[int], actor: str, now: datetime
) -> int:
    """Count held conflicts in place of the events whose ids they bear; how many are.

    Each becomes an event of its own that supersedes the counted one. Raises NotHeld,
    NotAConflict.
    """
    with transaction.atomic():
        held = _lock(event_ids)
        for row in held:
            if row.code != "conflict":
                raise NotAConflict(f"{row} is no conflict: release it.", field="event")
        told = [_correction(row) for row in held]
        return _settle(held, told, actor, now)


def drop_events(*, event_ids: Sequence[int], actor: str, now: datetime) -> int:
    """Leave held events uncounted for good; they stay on record. Raises NotHeld."""
    with transaction.atomic():
        held = _lock(event_ids)
        for row in held:
            _leave(row, State.DROPPED, actor, now)
        _save(held)
        return len(held)


def _lock(event_ids: Sequence[int]) -> list[QuarantinedEvent]:
    rows = QuarantinedEvent.objects.select_for_update().filter(pk__in=event_ids)
    held = list(rows.order_by("pk"))
    for row in held:
        if row.state != State.HELD:
            raise NotHeld(f"{row} was settled already.", field="event")
    return held


def _mapped(event: IncomingEvent, agency: str, agent: str) -> IncomingEvent:
    return replace(event, agency=agency or event.agency, agent=agent or event.agent)


def _correction(row: QuarantinedEvent) -> IncomingEvent:
    event = event_from_payload(row.event)
    mark = f"~{row.content.hex[:MARK]}"
    own = event.id[: LONGEST_NAME - len(mark)] + mark
    return replace(event, id=own, supersedes=event.id)


def _settle(
    held: Sequence[QuarantinedEvent],
    told: Sequence[IncomingEvent],
    actor: str,
    now: datetime,
) -> int:
    # All at once and in order, or a cut of two of them could wait for us and we for it.
    codes = {event.agency for event in told}
    stamp_facts(Agency.objects.filter(code__in=codes).values_list("pk", flat=True))
    verdicts: dict[int, IngestResult] = {}
    # Whether one is too late is counted from when it was first received.
    for owner, received_at in sorted({(row.owner, row.received_at) for row in held}):
        own = [
            n
            for n, row in enumerate(held)
            if (row.owner, row.received_at) == (owner, received_at)
        ]
        found = ingest_events(
            [told[n] for n in own], owner=owner, now=received_at, quarantining=False
        )
        verdicts |= dict(zip(own, found, strict=True))
    for n, row in enumerate(held):
        if verdicts[n].status == "rejected":
            row.code, row.message = verdicts[n].code, verdicts[n].message[:500]
        else:
            _leave(row, State.RELEASED, actor, now)
    _save(held)
    return sum(row.state == State.RELEASED for row in held)


def _leave(
    row: QuarantinedEvent, state: QuarantinedEvent.State, actor: str, now: datetime
) -> None:
    row.state, row.settled_by, row.settled_at = state, actor, now


def _save(rows: Sequence[QuarantinedEvent]) -> None:
    QuarantinedEvent.objects.bulk_update(
        rows, ["state", "code", "message", "settled_at", "settled_by"]
    )
