"""The processor that the docs show, run as it stands there, against the web server."""

import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.charges import charge_due
from billing.collection.services.inbound_events import process_events
from billing.collection.services.methods import save_method
from billing.collection.services.refund_requests import refund_due, request_refund
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment, Refund
from tests.build import MARCH, bill, documents_of, make_agency, make_prices, make_seats
from tests.workers import _free_port, _listens, _wait_for, running_web

DOCS = Path(__file__).resolve().parents[2] / "docs/payments.md"


@pytest.fixture
def start_processor():
    """Run the code of the docs; ended with the test."""
    (code,) = re.findall(r"```python\n(.+?)```", DOCS.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    started = []

    def start(**environment: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        port = int(environment["PORT"])
        _wait_for(lambda: _listens(port) or process.poll() is not None, "processor")

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_the_processor_of_the_docs_charges_once_and_gives_back(
    fresh_database, broker, tmp_path, settings, start_processor
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    port, now = _free_port(), timezone.now()
    row, checks, signs = add_processor(
        code="acme", url=f"http://127.0.0.1:{port}/", actor="test", now=now
    )
    environment = {**fresh_database.environment, "REDIS_URL": broker}
    with running_web(environment, tmp_path / "web.log") as web:
        door = f"http://127.0.0.1:{web}/api/v1/processors/acme/webhook"
        start_processor(PORT=str(port), CHECKS=checks, SIGNS=signs, DOOR=door)
        make_prices()
        payer = make_agency()
        make_seats(payer, "ana")
        save_method(payer=payer, processor=row, actor="test", now=now)
        bill(MARCH)

        charge_due(clock=timezone.now)
        _wait_for(ProcessorEvent.objects.exists, "its answer")
        attempts = PaymentAttempt.objects.filter(state="pending")
        assert attempts.update(next_attempt_at=now) == 1
        charge_due(clock=timezone.now)  # asked once more, it says the same again
        _wait_for(lambda: ProcessorEvent.objects.count() == 2, "its second answer")
        process_events(now=timezone.now())
        assert documents_of(payer)[0].state == "paid"

        request_refund(
            payment=Payment.objects.get(), amount=Decimal(15), reason="asked for",
            actor="test", now=now,
        )  # fmt: skip
        refund_due(clock=timezone.now)
        _wait_for(lambda: ProcessorEvent.objects.count() == 3, "its third answer")
        process_events(now=timezone.now())

    payment = Payment.objects.get()
    refund = Refund.objects.get()
    assert (payment.amount, refund.amount) == (Decimal(50), Decimal(15))
    assert payment.reference.startswith("payment_")
    assert refund.reference.startswith("refund_")
    states = set(ProcessorEvent.objects.values_list("state", flat=True))
    assert states == {"done"}
