"""The whole way by somebody else's idea of Stripe: localstripe, as a process."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import requests
import stripe as sdk

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import charge_due
from billing.collection.services.inbound_events import process_events
from billing.collection.services.methods import save_method
from billing.collection.verification.money import verify_everything
from billing.processors.domain.port import RefundRequest
from billing.processors.services.processors import add_processor
from billing.processors.services.registry import connect_stripe
from billing.receivables.models import Payment
from tests.billing.collection.answering import post_signed
from tests.billing.webhooks.conftest import Clock
from tests.build import (
    APRIL_2,
    MARCH,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)
from tests.receivers import receiving
from tests.workers import _free_port

pytestmark = [pytest.mark.faults, pytest.mark.django_db, pytest.mark.timeout(120)]
KEY, SECRET = "sk_test_of_localstripe", "whsec_of_localstripe"
SECONDS = 30
# It keeps its store in one file of /tmp; this keeps it where the test wants it.
START = """
import builtins, runpy, sys
import localstripe.resources as resources
folder, port = sys.argv[1:]
resources.open = lambda path, *how: builtins.open(path.replace("/tmp", folder), *how)
sys.argv = ["localstripe", "--port", port, "--from-scratch"]
runpy.run_module("localstripe", run_name="__main__")
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where it answers."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url))
        yield url
    finally:
        process.kill()
        process.wait()


def until(happened):
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(url):
    try:
        return requests.get(url, timeout=1).status_code
    except requests.ConnectionError:
        return False


@pytest.fixture
def row(url, settings):
    settings.WEBHOOKS = {
        **settings.WEBHOOKS,
        "ALLOW_LOOPBACK": True,
        "TIMEOUT": timedelta(seconds=10),
    }
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    return add_processor(
        code="stripe", url=url, kind="stripe", key=KEY, endpoint_secret=SECRET,
        actor="test", now=APRIL_2,
    )[0]  # fmt: skip


@pytest.fixture
def attempt(url, row):
    """Of 50.00, by a card that was saved there with their library."""
    make_prices()
    payer = make_agency()
    make_seats(payer, "ana")
    bill(MARCH)
    client = sdk.StripeClient(KEY, base_addresses={"api": url})
    customer = client.v1.customers.create({"metadata": {"payer": payer.code}})
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    save_method(
        payer=payer, processor=row, customer=customer.id, reference=card.id,
        actor="test", now=APRIL_2,
    )  # fmt: skip
    return request_charge(invoice=documents_of(payer)[0], actor="test", now=APRIL_2)


def test_a_charge_is_made_told_by_signed_webhook_and_given_back(
    client, url, row, attempt
):
    clock = Clock()
    with receiving() as receiver:
        endpoint = {"url": receiver.url, "secret": SECRET}
        requests.post(f"{url}/_config/webhooks/us", json=endpoint, timeout=10)
        charge_due(clock=clock)
        until(lambda: kinds(receiver) >= {"payment_intent.succeeded"})

    payment = Payment.objects.get()
    assert payment.amount == Decimal(50)
    for event in receiver.received:
        signature = event.headers["stripe-signature"]
        tampered = event.body.replace(b"succeeded", b"succeedet") + b" "
        assert post_signed(client, tampered, signature).status_code == 400
        assert post_signed(client, event.body, signature).status_code == 204
    process_events(now=clock.forward(minutes=1))
    assert set(ProcessorEvent.objects.values_list("state", flat=True)) == {"done"}
    assert PaymentAttempt.objects.get().state == "succeeded"
    assert verify_everything().findings == []

    account = connect_stripe(row)
    request = RefundRequest(uuid4(), payment.reference, Decimal(20), "USD", clock())
    refunded = account.refund(request, at=clock())
    outcome = account.look_up_refund(request, at=clock())
    assert refunded.kind == "succeeded"
    assert outcome == refunded


def kinds(receiver):
    return {event.payload["type"] for event in receiver.received}
