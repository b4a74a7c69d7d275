"""Writing to the outbox, in the transaction of the fact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from psycopg.types.json import Jsonb

PLATFORM = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event for one receiver; `subject` names the object it is about."""

    agency_id: int | None
    type: str
    subject: str
    payload: Mapping[str, Any]


# Streams are locked in the order of their ids and advanced by what they receive.
ADVANCE = """
    WITH wanted AS (
        SELECT agency_id, count(*) AS events
        FROM unnest(%(agencies)s::bigint[]) AS agency_id GROUP BY agency_id
    ), made AS (
        INSERT INTO billing_outboxstream (agency_id, last_sequence)
        SELECT agency_id, 0 FROM wanted ORDER BY agency_id
        ON CONFLICT (agency_id) DO NOTHING
    )
    SELECT 1
"""
NUMBERED = """
    WITH wanted AS (
        SELECT agency_id, count(*) AS events
        FROM unnest(%(agencies)s::bigint[]) AS agency_id GROUP BY agency_id
    ), locked AS (
        SELECT stream.id, wanted.events
        FROM billing_outboxstream AS stream
        JOIN wanted ON stream.agency_id IS NOT DISTINCT FROM wanted.agency_id
        ORDER BY stream.id FOR UPDATE OF stream
    ), advanced AS (
        UPDATE billing_outboxstream AS stream
        SET last_sequence = stream.last_sequence + locked.events
        FROM locked WHERE stream.id = locked.id
        RETURNING stream.id, stream.agency_id,
                  stream.last_sequence - locked.events AS before
    )
    INSERT INTO billing_outboxevent
        (stream_id, sequence, type, subject, payload, occurred_at)
    SELECT advanced.id,
           advanced.before + row_number() OVER (PARTITION BY advanced.id ORDER BY n),
           event.type, event.subject, event.payload, %(now)s
    FROM unnest(%(agencies)s::bigint[], %(types)s::text[], %(subjects)s::text[],
                %(payloads)s::jsonb[])
        WITH ORDINALITY AS event(agency_id, type, subject, payload, n)
    JOIN advanced ON advanced.agency_id IS NOT DISTINCT FROM event.agency_id
    ORDER BY n
"""


def publish(events: Sequence[NewEvent], *, now: datetime) -> None:
    """Append events to their receivers' streams, without holes, in this order.

    Must be called in the transaction of the fact, after its other locks.
    """
    if not events:
        return
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "Events are published in the transaction of their fact."
        )
    columns: dict[str, Any] = {
        "agencies": [event.agency_id for event in events],
        "types": [event.type for event in events],
        "subjects": [event.subject for event in events],
        "payloads": [Jsonb(dict(event.payload)) for event in events],
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(ADVANCE, columns)
        cursor.execute(NUMBERED, columns)
