"""Events that nobody could place: kept as they were told, until people settle them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.metering.events import (
    LONGEST_NAME,
    IncomingEvent,
    IngestResult,
    content_digest,
    event_key,
    properties_json,
    utc_text,
)
from billing.metering.known import BatchContext
from billing.metering.models import QuarantinedEvent
from billing.money import plain

KEPT = frozenset(["unknown_agency", "unknown_agent", "conflict"])


def keep_in_quarantine(
    events: Sequence[IncomingEvent],
    verdicts: Mapping[int, IngestResult],
    *,
    owner: int,
    known: BatchContext,
) -> None:
    """Keep what could be right but for a name or an earlier event; each content once."""
    kept = [
        _row_of(event, verdicts[n], owner, known)
        for n, event in enumerate(events)
        if verdicts[n].code in KEPT and _has_names(event)
    ]
    if kept:
        kept.sort(key=lambda row: (row.key, row.content))
        QuarantinedEvent.objects.bulk_create(kept, ignore_conflicts=True)


def _has_names(event: IncomingEvent) -> bool:
    """Whether what it names could be a name at all."""
    names = (event.agency, event.agent or "", event.meter)
    return all(len(name) <= LONGEST_NAME and name.isprintable() for name in names)


def event_from_payload(told: Mapping[str, Any]) -> IncomingEvent:
    """The event of a row, as it was sent."""
    quantity, occurred_at = Decimal(told["quantity"]), told["occurred_at"]
    return IncomingEvent(
        **{
            **told,
            "quantity": quantity,
            "occurred_at": datetime.fromisoformat(occurred_at),
        }
    )


def _row_of(
    event: IncomingEvent, verdict: IngestResult, owner: int, known: BatchContext
) -> QuarantinedEvent:
    agency = known.agencies.get(event.agency)
    quantity, occurred_at = plain(event.quantity), utc_text(event.occurred_at)
    properties = properties_json(event.properties)
    return QuarantinedEvent(
        key=event_key(owner, event.source, event.id),
        content=content_digest(event, quantity, occurred_at, properties),
        owner=owner,
        agency_id=agency.id if agency else None,
        code=verdict.code,
        message=verdict.message[:500],
        event={
            "source": event.source,
            "id": event.id,
            "agency": event.agency,
            "agent": event.agent,
            "meter": event.meter,
            "quantity": quantity,
            "occurred_at": occurred_at,
            "properties": dict(event.properties),
            "supersedes": event.supersedes,
        },
        received_at=known.now,
    )
