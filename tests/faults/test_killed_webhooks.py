"""A worker killed with -9 while a receiver has its request, and another one after it."""

import time

import pytest
from celery import Celery
from django.utils import timezone

from billing.webhooks.endpoints import add_endpoint
from billing.webhooks.fanning import fan_out_due
from billing.webhooks.models import Delivery, DeliveryAttempt
from tests.billing.webhooks.endpoints import announce
from tests.build import make_agency
from tests.receivers import answers, hangs, receiving

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
SECONDS = 60
QUICK = {
    "WEBHOOKS_ALLOW_LOOPBACK": "1",
    "WEBHOOKS_TIMEOUT_SECONDS": "5",
    "WEBHOOKS_LEASE_SECONDS": "6",
}


def ring(broker, task):
    with Celery(broker=broker) as app:
        app.send_task(task, queue="webhooks", ignore_result=True)


def until(happened):
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_a_killed_worker_sent_is_sent_again_under_its_id(
    fresh_database, worker, broker, settings
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    agency = make_agency()
    fan_out_due(now=timezone.now())
    with receiving(hangs(3)) as receiver:
        add_endpoint(agency=agency, url=receiver.url, actor="test", now=timezone.now())
        announce(agency, "a", "a", "b", clock=timezone.now)
        victim = worker(**QUICK)
        ring(broker, "webhooks.fan_out_due")
        until(lambda: len(receiver.received) >= 2)
        victim.kill()
        sent = {one.id for one in receiver.received}
        receiver.behave = answers(204)
        worker(**QUICK)

        def all_taken():
            ring(broker, "webhooks.deliver_due")
            return not Delivery.objects.exclude(state="delivered").exists()

        until(all_taken)

    assert DeliveryAttempt.objects.count() == 3
    ids = [one.id for one in receiver.received]
    assert len(sent) == 2
    assert (len(ids), len(set(ids))) == (5, 3)
    order = [one.told["sequence"] for one in receiver.received
             if one.told["subject"] == "a"]  # fmt: skip
    assert order == [2, 2, 3]
