"""Send events to an endpoint again, and delete old delivery records."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing.webhooks.models import (
    Delivery,
    DeliveryAttempt,
    OutboxEvent,
    OutboxStream,
    WebhookEndpoint,
)
from billing.webhooks.queries.sql import REPLAY
from core.errors import Refusal
from seats.models import Agency

LAST_SEQUENCE = 2**62
DELETE_BATCH = 10_000


class UnknownEvent(Refusal):
    """The event does not exist for this webhook endpoint.

    List events with `GET /api/v1/webhook-events`, and use an id from there.
    """

    code = "unknown_event"


class OtherStream(Refusal):
    """The webhook endpoint gets events of its own agency only.

    Leave `agency` out.
    """

    code = "other_stream"


def replay_event(*, endpoint: WebhookEndpoint, event_id: UUID, now: datetime) -> int:
    """Queue one event for the endpoint again, with the same event id.

    Returns 1, or 0 if it is already waiting to be sent or is of a type that the endpoint
    does not subscribe to. Raises UnknownEvent, also for an event of an agency whose
    events the endpoint does not get.
    """
    streams = OutboxEvent.objects.filter(public_id=event_id)
    if endpoint.agency_id:
        streams = streams.filter(stream__agency=endpoint.agency_id)
    event = streams.first()
    if event is None:
        raise UnknownEvent(
            f"Event {event_id} does not exist for webhook endpoint"
            f" {endpoint.public_id}. List events with GET /api/v1/webhook-events.",
            field="event",
        )
    return _replay(endpoint, event.stream_id, event.sequence, event.sequence, now)


def replay_range(
    *,
    endpoint: WebhookEndpoint,
    first: int,
    now: datetime,
    last: int | None = None,
    agency: Agency | None = None,
) -> int:
    """Queue the events from `first` to `last` (inclusive sequence numbers) again.

    `last` None: everything from `first` on. The numbers are those of the endpoint's
    agency; for an endpoint of the platform, those of `agency` (None: the platform's own).
    Returns how many were queued; events that already wait to be sent are not counted.
    Raises OtherStream.
    """
    owner = endpoint.agency_id or (agency.pk if agency else None)
    if agency and agency.pk != owner:
        raise OtherStream(
            f"Webhook endpoint {endpoint.public_id} only gets events of its own agency,"
            f" not of {agency.code}. Leave `agency` out.",
            field="agency",
        )
    stream = OutboxStream.objects.filter(agency=owner).first()
    if stream is None:
        return 0
    return _replay(
        endpoint, stream.pk, first, LAST_SEQUENCE if last is None else last, now
    )


def forget_old_attempts(*, now: datetime) -> int:
    """Delete attempts and successful deliveries older than ATTEMPTS_KEPT; how many rows.

    Deliveries that are unsettled or were given up stay. Safe to repeat.
    """
    before = now - settings.WEBHOOKS["ATTEMPTS_KEPT"]
    count = 0
    for rows in (
        DeliveryAttempt.objects.filter(made_at__lt=before),
        Delivery.objects.filter(
            state=Delivery.State.DELIVERED, settled_at__lt=before, log=None
        ),
    ):
        while ids := list(rows.values_list("pk", flat=True)[:DELETE_BATCH]):
            with transaction.atomic(durable=True):
                count += rows.model.objects.filter(pk__in=ids).delete()[0]
    return count


def _replay(
    endpoint: WebhookEndpoint, stream_id: int, first: int, last: int, now: datetime
) -> int:
    params: dict[str, Any] = {
        "endpoint": endpoint.pk,
        "stream": stream_id,
        "first": first,
        "last": last,
        "now": now,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(REPLAY, params)
        return int(cursor.rowcount)
