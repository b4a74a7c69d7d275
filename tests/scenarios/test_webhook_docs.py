"""The receiver that the docs show, run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import timezone

from billing.webhooks.models import DeliveryAttempt
from billing.webhooks.services.deliveries import deliver_due
from billing.webhooks.services.endpoints import add_endpoint, rotate_secret
from billing.webhooks.services.replay import replay_range
from tests.build import make_agency
from tests.workers import _free_port, _wait_for

DOCS = Path(__file__).resolve().parents[2] / "docs/webhooks.md"


@pytest.fixture
def start_receiver():
    """Run the code of the docs with a secret; ended with the test."""
    (code,) = re.findall(r"```python\n(.+?)```", DOCS.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) < 20
    started = []

    def start(secret: str, port: int) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "SECRET": secret, "PORT": str(port)},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        started.append(process)
        _wait_for(lambda: listens(port) or process.poll() is not None, "the receiver")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def listens(port: int) -> bool:
    table = Path("/proc/net/tcp").read_text()
    return f":{port:04X} 00000000:0000 0A" in table


def test_the_receiver_of_the_docs_takes_what_we_send_and_nothing_else(
    db, settings, start_receiver
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    agency, port, now = make_agency(), _free_port(), timezone.now()
    endpoint, secret = add_endpoint(
        agency=agency, url=f"http://127.0.0.1:{port}/", actor="test", now=now
    )
    receiver = start_receiver(secret, port)
    replay_range(endpoint=endpoint, first=1, now=now)

    deliver_due(clock=timezone.now)

    assert DeliveryAttempt.objects.get().http_status == 204
    assert receiver.stdout.readline() == "1 agency.added agency:SUNRISE\n"

    for _ in range(2):  # the secret it has signs no more
        rotate_secret(endpoint=endpoint, now=now)
    replay_range(endpoint=endpoint, first=1, now=now)
    deliver_due(clock=timezone.now)

    assert DeliveryAttempt.objects.get(number=2).http_status == 400
