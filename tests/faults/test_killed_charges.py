"""A worker killed with -9 while a processor has its charge, and another one after it."""

import threading
import time
from typing import Any

import pytest
from celery import Celery
from django.test import Client
from django.utils import timezone

from billing.invoicing.models import Document
from billing.payments.models import Payment, PaymentAttempt
from billing.payments.services.answers import work_off_events
from billing.payments.services.registering import add_processor
from billing.payments.services.requesting import request_charge
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
from tests.reference_processor import ReferenceProcessor

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
SECONDS, KILLS, INVOICES = 100, 30, 45
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


class Killer:
    """Kills who is charging, once the card is charged and before anybody knows."""

    def __init__(self):
        self.kills, self.victim, self.lock = 0, None, threading.Lock()

    def __call__(self):
        with self.lock:
            if self.kills < KILLS and self.victim:
                self.kills += self.victim.kill_children()


def test_thirty_killed_between_charge_and_commit_charge_nobody_twice(
    fresh_database, worker, broker, settings
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    for number in range(INVOICES):
        make_seats(make_agency(f"A{number}"), "ana")
    bill(MARCH)
    told: dict[str, Any] = {"actor": "test", "now": timezone.now()}
    killer = Killer()
    with receiving() as receiver:
        row, checks, signs = add_processor(code="acme", url=receiver.url, **told)
        fake = ReferenceProcessor(checks, signs, lambda *_: None, charged=killer)
        receiver.behave = fake
        for invoice in Document.objects.all():
            request_charge(invoice=invoice, processor=row, **told)
        quicker = {"WEBHOOKS_TIMEOUT_SECONDS": "1", "CHARGES_LEASE_SECONDS": "3"}
        killer.victim = worker(**QUICK | quicker)

        def all_paid():
            ring(broker, "payments.charge_due")
            for body in fake.take_untold(INVOICES):
                headers = signed(row, body, timezone.now())
                assert post(Client(), row, body, headers).status_code == 204
            work_off_events(now=timezone.now())
            return not Document.objects.filter(status="open").exists()

        until(all_paid)

    assert killer.kills >= KILLS
    assert len(fake.journal) == len(dict(fake.journal)) == INVOICES
    booked = set(Payment.objects.values_list("reference", flat=True))
    assert booked == {reference for _, reference in fake.journal}
    assert verify_everything().findings == []


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
