"""Writing to the outbox, in the transaction of the fact."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from billing.webhooks.catalogue import CATALOGUE

PLATFORM = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event for one receiver; `subject` names the object it is about."""

    agency_id: int | None
    type: str
    subject: str
    payload: Mapping[str, Any]


ENSURE_STREAMS = """
    INSERT INTO billing_outboxstream (agency_id, last_sequence)
    SELECT agency_id, 0 FROM unnest(%s::bigint[]) AS agency_id ORDER BY agency_id
    ON CONFLICT (agency_id) DO NOTHING
"""
LOCK_STREAMS = """
    SELECT agency_id, id, last_sequence FROM billing_outboxstream
    WHERE agency_id = ANY(%s) OR (agency_id IS NULL AND %s)
    ORDER BY id FOR UPDATE
"""
ADVANCE_STREAMS = """
    UPDATE billing_outboxstream AS stream SET last_sequence = moved.last_sequence
    FROM unnest(%s::bigint[], %s::bigint[]) AS moved(id, last_sequence)
    WHERE stream.id = moved.id
"""
COPY_EVENTS = """
    COPY billing_outboxevent (stream_id, sequence, type, subject, payload, occurred_at)
    FROM STDIN
"""


def publish(events: Sequence[NewEvent], *, now: datetime) -> None:
    """Append events to their receivers' streams, without holes, in this order.

    Must be called in the transaction of the fact, after its other locks. Raises
    LookupError for a type that the catalogue does not describe.
    """
    if not events:
        return
    if unknown := {event.type for event in events} - CATALOGUE.keys():
        raise LookupError(f"{min(unknown)} is not in the catalogue of events.")
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "Events are published in the transaction of their fact."
        )
    receivers = {event.agency_id for event in events}
    with connection.cursor() as cursor:
        cursor.execute(ENSURE_STREAMS, [list(receivers)])
        cursor.execute(LOCK_STREAMS, [list(receivers), PLATFORM in receivers])
        streams = {agency: (pk, last) for agency, pk, last in cursor.fetchall()}
        with cursor.copy(COPY_EVENTS) as copy:
            for event in events:
                pk, last = streams[event.agency_id]
                streams[event.agency_id] = (pk, last + 1)
                payload = Jsonb(dict(event.payload))
                copy.write_row((pk, last + 1, event.type, event.subject, payload, now))
        cursor.execute(ADVANCE_STREAMS, _columns(streams.values()))


def _columns(rows: Iterable[tuple[int, int]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]
