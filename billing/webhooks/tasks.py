"""Sweeps of webhooks. Each is safe to run repeatedly and concurrently."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.recurring.services import Job, run_when_due
from billing.webhooks.services.access import end_endpoints
from billing.webhooks.services.deliveries import deliver_due
from billing.webhooks.services.fanout import fan_out_due
from billing.webhooks.services.replay import forget_old_attempts
from core.queue.doorbell import ring

FORGET = Job("webhooks.forget", every=timedelta(days=1))


@shared_task(name="webhooks.fan_out_due")
def hand_out_events(**_newer: Any) -> None:
    """Beat, every few seconds: fan out new events, then wake the sweep that sends."""
    if fan_out_due(now=timezone.now()):
        ring(send_deliveries)


@shared_task(name="webhooks.deliver_due")
def send_deliveries(**_newer: Any) -> None:
    """Beat, every few seconds, and after new events were fanned out: send deliveries."""
    deliver_due(clock=timezone.now)


@shared_task(name="webhooks.end_due")
def end_lapsed_endpoints(**_newer: Any) -> None:
    """Beat, every minute: end endpoints whose owner no longer reaches their agency."""
    end_endpoints(now=timezone.now())


@shared_task(name="webhooks.forget_due")
def forget_attempts(**_newer: Any) -> None:
    """Beat, every minute; runs once a day: delete old attempts and deliveries."""
    run_when_due(
        FORGET,
        lambda: forget_old_attempts(now=timezone.now()),
        clock=timezone.now,
    )
