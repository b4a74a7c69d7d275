"""Real workers and the real scheduler leave signs of life, and dead ones leave none."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from billing.recurring.models import Pulse
from config.health import read_broker, read_workers

pytestmark = [pytest.mark.faults, pytest.mark.timeout(200)]
SECONDS = 90


def beaten() -> set[str]:
    return set(Pulse.objects.values_list("queue", flat=True))


def wait_for(condition) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, beaten()
        time.sleep(0.5)


def states(*, later: timedelta = timedelta(0)) -> dict[str, str]:
    broker, messages = read_broker()
    readings = read_workers(broker, messages, now=timezone.now() + later)
    return {reading.name: reading.state for reading in readings}


def test_health_tells_served_queues_from_others(worker, beat, broker, settings):
    settings.REDIS_URL = broker
    running = worker(queues="mail,webhooks")
    beat()

    wait_for(lambda: beaten() == {"mail", "webhooks"})

    served = states()
    assert served["Scheduler"] == "alive"
    assert served["Workers of mail"] == served["Workers of webhooks"] == "alive"
    assert served["Workers of money"] == "missing"

    running.kill()
    wait_for(lambda: read_broker()[1]["mail"] > 0)
    later = states(later=timedelta(minutes=2))
    assert later["Workers of mail"] == "missing"
    assert later["Scheduler"] == "unknown"
