"""A worker killed with -9 while a receiver has its request, and another one after it."""

import pytest
from django.utils import timezone

from billing.webhooks.models import Delivery, DeliveryAttempt
from billing.webhooks.services.endpoints import add_endpoint
from billing.webhooks.services.fanout import fan_out_due
from tests.billing.webhooks.endpoints import announce
from tests.build import make_agency
from tests.faults.recovery import TIMEOUT, until
from tests.receivers import answers, receiving

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]
QUICK = {
    "WEBHOOKS_ALLOW_LOOPBACK": "1",
    "WEBHOOKS_TIMEOUT_SECONDS": "8",
    "WEBHOOKS_LEASE_SECONDS": "9",
}


def test_what_a_killed_worker_sent_is_sent_again_under_its_id(
    fresh_database, worker, beat, settings
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    agency = make_agency()
    fan_out_due(now=timezone.now())
    with receiving() as receiver:
        add_endpoint(agency=agency, url=receiver.url, actor="test", now=timezone.now())
        announce(agency, "a", "a", "b", clock=timezone.now)
        victim = worker(queues="webhooks,fanout", **QUICK)

        def kill_with_two(*_):
            if len(receiver.received) >= 2:
                victim.kill()
            else:
                until(victim.is_dead, "killed")

        receiver.behave = kill_with_two
        beat()
        until(victim.is_dead, "killed")
        sent = {request.id for request in receiver.received}
        receiver.behave = answers(204)
        worker(queues="webhooks,fanout", **QUICK)
        until(
            lambda: not Delivery.objects.exclude(state="delivered").exists(),
            "delivered",
        )

    assert DeliveryAttempt.objects.count() == 3
    ids = [request.id for request in receiver.received]
    assert len(sent) == 2
    assert (len(ids), len(set(ids))) == (5, 3)
    order = [request.payload["sequence"] for request in receiver.received
             if request.payload["subject"] == "a"]  # fmt: skip
    assert order == [2, 2, 3]
