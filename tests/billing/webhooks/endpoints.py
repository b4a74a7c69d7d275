"""Endpoints and events for tests, by the services that make them."""

from typing import Any
from uuid import uuid4

from django.db import transaction

from billing.invoicing.domain.webhook_events import RunFinished
from billing.webhooks.models import Delivery, WebhookEndpoint
from billing.webhooks.services.deliveries import deliver_due
from billing.webhooks.services.endpoints import add_endpoint
from billing.webhooks.services.fanout import fan_out_due
from billing.webhooks.services.outbox import PLATFORM, publish
from seats.models import Agency
from tests.build import MARCH
from tests.receivers import Receiver


def make_endpoint(
    receiver: Receiver | str, agency: Agency | None, clock: Any, **changes: Any
) -> tuple[WebhookEndpoint, str]:
    url = receiver if isinstance(receiver, str) else receiver.url
    return add_endpoint(agency=agency, url=url, actor="test", now=clock(), **changes)


def announce(agency: Agency | None, *subjects: str, clock: Any) -> None:
    """An event for each subject, in order."""
    agency_id = agency.pk if agency else PLATFORM
    events = [
        RunFinished(agency_id=agency_id, subject=subject, id=uuid4(), month=MARCH)
        for subject in subjects
    ]
    with transaction.atomic():
        publish(*events, now=clock())


def sweep(clock: Any) -> int:
    """Hand out and send what is due; how many attempts."""
    fan_out_due(now=clock())
    return deliver_due(clock=clock)


def states(endpoint: WebhookEndpoint) -> list[str]:
    rows = Delivery.objects.filter(endpoint=endpoint).order_by("event")
    return list(rows.values_list("state", flat=True))


def delivered(receiver: Receiver) -> list[tuple[str, int]]:
    """The subjects and sequence numbers received, in order of arrival."""
    return [
        (request.payload["subject"], request.payload["sequence"])
        for request in receiver.received
    ]
