"""Publish events: append them to the outbox in the transaction that causes them."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from core.webhook_events import WebhookEvent

PLATFORM = None
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
    UPDATE billing_outboxstream AS stream SET last_sequence = advanced.last_sequence
    FROM unnest(%s::bigint[], %s::bigint[]) AS advanced(id, last_sequence)
    WHERE stream.id = advanced.id
"""
COPY_EVENTS = """
    COPY billing_outboxevent (stream_id, sequence, type, subject, payload, occurred_at)
    FROM STDIN
"""


def publish(*events: WebhookEvent, now: datetime) -> None:
    """Append events to the streams of their agencies, without gaps, in this order.

    Must be called in the transaction that causes the events, after its other locks,
    because it locks the streams until the commit. Repeating appends the events again.
    Raises TransactionManagementError outside a transaction.
    """
    if not events:
        return
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "Events can only be published inside the transaction that causes them."
        )
    agency_ids = {event.agency_id for event in events}
    with connection.cursor() as cursor:
        cursor.execute(ENSURE_STREAMS, [list(agency_ids)])
        cursor.execute(LOCK_STREAMS, [list(agency_ids), PLATFORM in agency_ids])
        streams = {agency: (pk, last) for agency, pk, last in cursor.fetchall()}
        with cursor.copy(COPY_EVENTS) as copy:
            for event in events:
                pk, last = streams[event.agency_id]
                streams[event.agency_id] = (pk, last + 1)
                kind, payload = event.event_type, Jsonb(event.payload())
                copy.write_row((pk, last + 1, kind, event.subject, payload, now))
        cursor.execute(ADVANCE_STREAMS, _columns(streams.values()))


def _columns(rows: Iterable[tuple[int, int]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]
