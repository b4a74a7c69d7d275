"""The quarantine: rejected events that are kept as sent until staff resolve them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.metering.domain.events import (
    LONGEST_NAME,
    IncomingEvent,
    IngestResult,
    content_digest,
    event_key,
    properties_json,
    utc_text,
)
from billing.metering.models import QuarantinedEvent
from billing.metering.queries.batch_context import BatchContext
from core.money import plain

QUARANTINED_CODES = frozenset(["unknown_agency", "unknown_agent", "conflict"])


def quarantine_events(
    events: Sequence[IncomingEvent],
    results: Mapping[int, IngestResult],
    *,
    owner: int,
    context: BatchContext,
) -> None:
    """Keep the events that were rejected for an unknown name or as a conflict.

    Each content of an event is kept once, so repeating is safe.
    """
    rows = [
        _row_of(event, results[n], owner, context)
        for n, event in enumerate(events)
        if results[n].code in QUARANTINED_CODES and _has_valid_names(event)
    ]
    if rows:
        rows.sort(key=lambda row: (row.key, row.content))
        QuarantinedEvent.objects.bulk_create(rows, ignore_conflicts=True)


def _has_valid_names(event: IncomingEvent) -> bool:
    names = (event.agency, event.agent or "", event.meter)
    return all(len(name) <= LONGEST_NAME and name.isprintable() for name in names)


def event_from_payload(payload: Mapping[str, Any]) -> IncomingEvent:
    """The event that a quarantined row holds, as it was sent."""
    return IncomingEvent(
        **{
            **payload,
            "quantity": Decimal(payload["quantity"]),
            "occurred_at": datetime.fromisoformat(payload["occurred_at"]),
        }
    )


def _row_of(
    event: IncomingEvent, result: IngestResult, owner: int, context: BatchContext
) -> QuarantinedEvent:
    agency = context.agencies.get(event.agency)
    quantity, occurred_at = plain(event.quantity), utc_text(event.occurred_at)
    properties = properties_json(event.properties)
    return QuarantinedEvent(
        key=event_key(owner, event.source, event.id),
        content=content_digest(event, quantity, occurred_at, properties),
        owner=owner,
        agency_id=agency.id if agency else None,
        code=result.code,
        message=result.message[:500],
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
        received_at=context.now,
    )
