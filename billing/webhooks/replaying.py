"""Telling events again, and forgetting what was told long ago."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing.webhooks.endpoints import WANTS
from billing.webhooks.models import (
    Delivery,
    DeliveryAttempt,
    OutboxEvent,
    OutboxStream,
    WebhookEndpoint,
)
from seats.errors import Refusal
from seats.models import Agency

REPLAY = f"""
    INSERT INTO billing_delivery (endpoint_id, event_id, subject, state, attempts,
                                  tries, due_at)
    SELECT endpoint.id, event.id, event.subject, 'pending', 0, 0, %(now)s
    FROM billing_outboxevent AS event
    JOIN billing_webhookendpoint AS endpoint ON endpoint.id = %(endpoint)s
                                              AND endpoint.deleted_at IS NULL
                                              AND endpoint.state <> 'ended'
    WHERE event.stream_id = %(stream)s
      AND event.sequence BETWEEN %(first)s AND %(last)s
      AND {WANTS}
    ORDER BY event.id
    ON CONFLICT (endpoint_id, event_id) DO UPDATE
    SET state = 'pending', tries = 0, due_at = EXCLUDED.due_at, settled_at = NULL
    WHERE billing_delivery.state IN ('delivered', 'given_up')
"""
NEVER = 2**62
FORGET_AT_ONCE = 10_000


class UnknownEvent(Refusal):
    code = "unknown_event"


class OtherStream(Refusal):
    code = "other_stream"


def replay_event(*, endpoint: WebhookEndpoint, event_id: UUID, now: datetime) -> int:
    """Tell one event again, under its own id; 1, or 0 if it waits to be told anyway
    or is of a type that the endpoint did not choose.

    Raises UnknownEvent, also for one of an agency that the endpoint does not hear.
    """
    streams = OutboxEvent.objects.filter(public_id=event_id)
    if endpoint.agency_id:
        streams = streams.filter(stream__agency=endpoint.agency_id)
    event = streams.first()
    if event is None:
        raise UnknownEvent("No such event for this endpoint.", field="event")
    return _replay(endpoint, event.stream_id, event.sequence, event.sequence, now)


def replay_range(
    *,
    endpoint: WebhookEndpoint,
    first: int,
    now: datetime,
    last: int | None = None,
    agency: Agency | None = None,
) -> int:
    """Tell again what has these sequence numbers, both included, of the endpoint's agency.

    An endpoint of the platform names the agency whose numbers are meant; none: its own.
    How many; what waits to be told anyway is not counted. Raises OtherStream.
    """
    owner = endpoint.agency_id or (agency.pk if agency else None)
    if agency and agency.pk != owner:
        raise OtherStream("The endpoint gets its own agency's events.", field="agency")
    stream = OutboxStream.objects.filter(agency=owner).first()
    if stream is None:
        return 0
    return _replay(endpoint, stream.pk, first, NEVER if last is None else last, now)


def forget_old_attempts(*, now: datetime) -> int:
    """Delete attempts, and deliveries that arrived, of long ago; how many rows.

    What is not settled, or was given up, stays.
    """
    before = now - settings.WEBHOOKS["ATTEMPTS_KEPT"]
    count = 0
    for rows in (
        DeliveryAttempt.objects.filter(made_at__lt=before),
        Delivery.objects.filter(
            state=Delivery.State.DELIVERED, settled_at__lt=before, log=None
        ),
    ):
        while ids := list(rows.values_list("pk", flat=True)[:FORGET_AT_ONCE]):
            with transaction.atomic(durable=True):
                count += rows.model.objects.filter(pk__in=ids).delete()[0]
    return count


def _replay(
    endpoint: WebhookEndpoint, stream_id: int, first: int, last: int, now: datetime
) -> int:
    told: dict[str, Any] = {
        "endpoint": endpoint.pk,
        "stream": stream_id,
        "first": first,
        "last": last,
        "now": now,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(REPLAY, told)
        return int(cursor.rowcount)
