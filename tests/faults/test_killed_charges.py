"""A worker killed with -9 while a processor has its charge, and another one after it."""

import time
from typing import Any

import pytest
from celery import Celery
from django.test import Client
from django.utils import timezone

from billing.payments.models import Payment, PaymentAttempt
from billing.payments.services.requesting import add_processor, request_charge
from billing.payments.verification import verify_everything
from tests.billing.payments.answering import post, signed, told_of
from tests.build import (
    MARCH,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)
from tests.receivers import answers, hangs, receiving

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
SECONDS = 60
QUICK = {
    "WEBHOOKS_ALLOW_LOOPBACK": "1",
    "WEBHOOKS_TIMEOUT_SECONDS": "3",
    "CHARGES_LEASE_SECONDS": "8",
}


def ring(broker, task):
    with Celery(broker=broker) as app:
        app.send_task(task, queue="money", ignore_result=True)


def until(happened):
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_a_killed_worker_sent_is_charged_once(
    fresh_database, worker, broker, settings
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    payer = make_agency()
    make_seats(payer, "ana")
    bill(MARCH)
    told: dict[str, Any] = {"actor": "test", "now": timezone.now()}
    with receiving(hangs(3)) as receiver:
        processor = add_processor(code="acme", url=receiver.url, **told)[0]
        attempt = request_charge(
            invoice=documents_of(payer)[0], processor=processor, **told
        )
        victim = worker(**QUICK)
        ring(broker, "payments.charge_due")
        until(lambda: receiver.received)
        victim.kill()
        assert PaymentAttempt.objects.get().state == "sent"
        receiver.behave = answers(204)
        worker(**QUICK)

        def is_pending():
            ring(broker, "payments.charge_due")
            return PaymentAttempt.objects.get().state == "pending"

        until(is_pending)
        body = told_of(attempt, "succeeded", reference="ch_1")
        for _ in range(2):
            headers = signed(processor, body, timezone.now())
            assert post(Client(), processor, body, headers).status_code == 204

        def is_paid():
            ring(broker, "payments.answers_due")
            return PaymentAttempt.objects.get().state == "succeeded"

        until(is_paid)

    charges = [one for one in receiver.received if one.told["type"][8:] == "requested"]
    assert len(charges) == 2
    assert {one.id for one in charges} == {str(attempt.public_id)}
    assert Payment.objects.count() == 1
    assert verify_everything().findings == []
