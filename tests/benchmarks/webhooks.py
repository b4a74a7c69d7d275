"""Deliveries to one receiver on this machine, against its requests alone in a loop."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from billing.invoicing.domain.webhook_events import RunFinished
from billing.webhooks.models import Delivery
from billing.webhooks.services.deliveries import deliver_due
from billing.webhooks.services.endpoints import add_endpoint
from billing.webhooks.services.fanout import fan_out_due
from billing.webhooks.services.outbox import PLATFORM, publish
from core.outbound.addresses import AddressPolicy
from core.outbound.client import Limits, send
from tests import databases
from tests.build import MARCH

EVENTS, ROUNDS = 1_000, 3
ROOT = Path(__file__).resolve().parents[2]
RECEIVER = """
import sys
from tests.receivers import receiving
with receiving() as receiver:
    print(receiver.url, flush=True)
    sys.stdin.read()
"""


def measure() -> dict[str, object]:
    """Deliveries per second, handing out included, and requests per second alone."""
    name = databases.clone()
    databases.use(name)
    before = settings.WEBHOOKS
    settings.WEBHOOKS = {**before, "ALLOW_LOOPBACK": True}
    delivered, alone = [], []
    with _receiver() as url:
        add_endpoint(agency=None, url=url, actor="bench", now=datetime.now(UTC))
        for _ in range(ROUNDS):
            alone.append(_alone(url))
            delivered.append(_delivered())
    settings.WEBHOOKS = before
    databases.use("postgres")
    databases.drop(name)
    return {
        "deliveries/s": round(median(delivered)),
        "the same client in a bare loop, requests/s": round(median(alone)),
        "deliveries / bare loop (goal 0.4)": round(
            median(delivered) / median(alone), 2
        ),
    }


@contextmanager
def _receiver() -> Iterator[str]:
    """In a process of its own, so that it shares no interpreter with the sender."""
    process = subprocess.Popen(
        [sys.executable, "-c", RECEIVER],
        cwd=ROOT, env=os.environ, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def _alone(url: str) -> float:
    limits = Limits(rules=AddressPolicy(allow_loopback=True))
    body, headers = b"x" * 400, {"webhook-id": "1"}
    started = time.perf_counter()
    for _ in range(EVENTS):
        assert send(url, body, headers, limits).taken
    return EVENTS / (time.perf_counter() - started)


def _delivered() -> float:
    now = datetime.now(UTC)
    run_id = uuid4()
    events = [
        RunFinished(agency_id=PLATFORM, subject=f"run:{n}", id=run_id, month=MARCH)
        for n in range(EVENTS)
    ]
    with transaction.atomic():
        publish(*events, now=now)
    started = time.perf_counter()
    fan_out_due(now=now)
    deliver_due(clock=lambda: datetime.now(UTC))
    elapsed = time.perf_counter() - started
    assert not Delivery.objects.exclude(state="delivered").exists()
    return EVENTS / elapsed
