"""Receivers of one agency that answer slowly, and everybody else's webhooks."""

import time
from typing import Any

import pytest
from celery import Celery
from django.utils import timezone

from billing.webhooks.models import Delivery
from billing.webhooks.services.endpoints import MOST_ENDPOINTS, add_endpoint
from billing.webhooks.services.fanout import fan_out_due
from config import celeryconfig
from tests.billing.webhooks.endpoints import announce
from tests.build import make_agency
from tests.receivers import answers, receiving

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
DEADLINE = 90  # seconds, of a slow machine
SLOW = 3  # seconds until an answer
OTHERS = 25
SENDING = {
    "WEBHOOKS_ALLOW_LOOPBACK": "1",
    "WEBHOOKS_TIMEOUT_SECONDS": "10",
    "WEBHOOKS_THREADS": "8",
    "WEBHOOKS_AT_ONCE_AGENCY": "2",
}


def answers_slowly(request, received):
    time.sleep(SLOW)
    answers(204)(request, received)


def ring(broker, task):
    """As the schedule does: by the route of the task."""
    routes = celeryconfig.task_routes
    route = routes.get(task) or routes[f"{task.split('.')[0]}.*"]
    with Celery(broker=broker) as app:
        app.send_task(task, ignore_result=True, expires=5, queue=route["queue"])


def until(happened):
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_slow_receivers_of_one_agency_stop_nobody_else(
    fresh_database, worker, broker, settings
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    slow_one = make_agency("SLOW")
    others = [make_agency(f"OTHER{n}") for n in range(OTHERS)]
    fan_out_due(now=timezone.now())
    with receiving(answers_slowly) as slow, receiving() as quick:
        audit: dict[str, Any] = {"actor": "test", "now": timezone.now()}
        for _ in range(MOST_ENDPOINTS):
            add_endpoint(agency=slow_one, url=slow.url, **audit)
        for agency in others:
            add_endpoint(agency=agency, url=quick.url, **audit)
        announce(slow_one, *(f"run:{n}" for n in range(10)), clock=timezone.now)
        worker(queues="webhooks", **SENDING)
        worker(queues="fanout", **SENDING)
        ring(broker, "webhooks.fan_out_due")
        until(lambda: len(slow.received) >= 2)

        for agency in others:
            announce(agency, "run:1", clock=timezone.now)
        announced_at, begun = time.monotonic(), len(slow.received)

        def all_delivered():
            ring(broker, "webhooks.fan_out_due")
            return len(quick.received) >= OTHERS

        until(all_delivered)
        took = time.monotonic() - announced_at

    rows = Delivery.objects.filter(endpoint__agency=slow_one)
    waiting = rows.exclude(state="delivered").count()
    assert rows.count() == MOST_ENDPOINTS * 10
    # Nobody waited for the slow ones: most of theirs are still to be sent, and of those
    # that went meanwhile there are no more than two at once.
    assert waiting > MOST_ENDPOINTS * 10 / 2
    assert len(slow.received) - begun <= 2 * (took / SLOW + 2)
