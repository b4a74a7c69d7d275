"""Fan out events: create a delivery for each endpoint that subscribes to them."""

from datetime import datetime

from django.db import connection, transaction

from billing.webhooks.queries.sql import FAN_OUT
from billing.webhooks.services.access import end_endpoints

BATCH = 1_000  # events of a stream in one transaction
# ENSURE adds new streams; WAITING lists those with events that are not fanned out yet.
ENSURE = """
    INSERT INTO billing_fannedout (stream_id, through)
    SELECT stream.id, 0 FROM billing_outboxstream AS stream
    WHERE NOT EXISTS (SELECT FROM billing_fannedout AS fanned
                      WHERE fanned.stream_id = stream.id)
    ORDER BY stream.id ON CONFLICT DO NOTHING
"""
WAITING = """
    SELECT stream.id, stream.agency_id FROM billing_outboxstream AS stream
    JOIN billing_fannedout AS fanned ON fanned.stream_id = stream.id
    WHERE stream.last_sequence > fanned.through ORDER BY stream.id
"""
TAKE = """
    SELECT through FROM billing_fannedout WHERE stream_id = %s
    FOR UPDATE SKIP LOCKED
"""
ADVANCE = "UPDATE billing_fannedout SET through = %s WHERE stream_id = %s"
LAST = "SELECT last_sequence FROM billing_outboxstream WHERE id = %s"


def fan_out_due(*, now: datetime) -> int:
    """Create the deliveries of new events in all streams; return how many.

    First ends endpoints whose owner no longer reaches an agency of these streams. Safe
    to run repeatedly and concurrently: one sweep at a time fans out a stream.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(ENSURE)
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        streams = cursor.fetchall()
    agency_ids = [agency_id for _, agency_id in streams if agency_id]
    if agency_ids:
        end_endpoints(now=now, agency_ids=agency_ids)
    return sum(_fan_out(stream_id, now) for stream_id, _ in streams)


def _fan_out(stream_id: int, now: datetime) -> int:
    made, more = 0, True
    while more:
        count, more = _fan_out_batch(stream_id, now)
        made += count
    return made


def _fan_out_batch(stream_id: int, now: datetime) -> tuple[int, bool]:
    """How many deliveries were created, and whether the stream has more events."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(TAKE, [stream_id])
        row = cursor.fetchone()
        if row is None:  # another sweep holds the stream
            return 0, False
        cursor.execute(LAST, [stream_id])
        (last,) = cursor.fetchone()
        to = min(last, row[0] + BATCH)
        cursor.execute(
            FAN_OUT,
            {"stream": stream_id, "through": row[0], "to": to, "now": now},
        )
        made = cursor.rowcount
        cursor.execute(ADVANCE, [to, stream_id])
        return made, to < last
