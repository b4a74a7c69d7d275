"""Sweeps of webhooks. Each is safe to run twice, and at once."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.doorbell import ring
from billing.recurring.services import Job, run_when_due
from billing.webhooks.delivering import deliver_due
from billing.webhooks.ending import end_endpoints
from billing.webhooks.fanning import fan_out_due
from billing.webhooks.replaying import forget_old_attempts

FORGET = Job("webhooks.forget", every=timedelta(days=1))


@shared_task(name="webhooks.fan_out_due")
def hand_out_events(**_newer: Any) -> None:
    """Beat, every few seconds: events that are new; then ring for those who send."""
    if fan_out_due(now=timezone.now()):
        ring(send_deliveries)


@shared_task(name="webhooks.deliver_due")
def send_deliveries(**_newer: Any) -> None:
    """Beat, every few seconds, and whoever hands out events."""
    deliver_due(clock=timezone.now)


@shared_task(name="webhooks.end_due")
def end_lapsed_endpoints(**_newer: Any) -> None:
    """Beat, every minute: endpoints whose owner does not reach their agency any more."""
    end_endpoints(now=timezone.now())


@shared_task(name="webhooks.forget_due")
def forget_attempts(**_newer: Any) -> None:
    """Beat, every minute; daily by its row: what was delivered long ago."""
    run_when_due(
        FORGET,
        lambda: forget_old_attempts(now=timezone.now()),
        clock=timezone.now,
    )
