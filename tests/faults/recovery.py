"""What the kill tests share: patience, the settings of workers, and who kills them."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.billing.collection.answering import post, signed
from tests.reference_processor import ReferenceProcessor
from tests.workers import Worker

SECONDS = 240  # a deadline for a machine that is busy with other things
TIMEOUT = SECONDS + 60
FAST = 16  # times; a worker of one queue keeps up with it on a busy machine
# The schedule starts no months here: what is billed is a world of long ago.
NO_MONTHS = {"BILLING_GRACE_SECONDS": "1e9"}
# A request that takes too long on a busy machine is asked about soon, not in 5 minutes.
CHARGING = {
    "WEBHOOKS_ALLOW_LOOPBACK": "1",
    "WEBHOOKS_TIMEOUT_SECONDS": "3",
    "CHARGES_LEASE_SECONDS": "8",
    "CHARGES_LOOK_UP_SECONDS": "2",
}


def until(happened: Callable[[], object], what: str = "recovered") -> None:
    """Wait until something has happened; fails when it takes far too long."""
    deadline = time.monotonic() + SECONDS
    while not happened():
        if time.monotonic() > deadline:
            pytest.fail(f"not {what} within {SECONDS} seconds")
        time.sleep(0.1)


class Killer:
    """Kills who is at work, so often, once a processor has done what it was asked."""

    def __init__(self, kills: int) -> None:
        self.left = kills
        self.victim: Worker | None = None
        self.lock = threading.Lock()

    def __call__(self) -> None:
        with self.lock:
            if self.left > 0 and self.victim:
                self.left -= self.victim.kill_children()


def tell_all(processor: Any, fake: ReferenceProcessor) -> None:
    """Have a processor tell us what it has not told yet."""
    for body in fake.take_unsent(100):
        headers = signed(processor, body, timezone.now())
        assert post(Client(), processor, body, headers).status_code == 204
