"""Publish the events of seats, which knows nothing of webhooks.

Their payloads hold the complete change, so that verification can compare the two.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.webhooks.services.outbox import publish
from core.webhook_events import WebhookEvent
from seats.signals import events_published


@receiver(events_published)
def publish_events(*, events: Sequence[WebhookEvent], now: datetime, **_: Any) -> None:
    publish(*events, now=now)
