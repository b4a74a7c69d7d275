"""A worker killed with -9 while a processor has its charge, and what the schedule does."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment
from tests.billing.collection.answering import charge_event_body, post, signed
from tests.build import (
    MARCH,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)
from tests.faults.recovery import CHARGING, TIMEOUT, Killer, tell_all, until
from tests.receivers import answers, receiving
from tests.reference_processor import ReferenceProcessor

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]
KILLS, INVOICES = 12, 20


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


def test_many_killed_between_charge_and_commit_charge_nobody_twice(
    fresh_database, worker, beat
):
    make_prices()
    for number in range(INVOICES):
        make_seats(make_agency(f"A{number}"), "ana")
    bill(MARCH)
    audit: dict[str, Any] = {"actor": "test", "now": timezone.now()}
    killer = Killer(KILLS)
    with receiving() as receiver:
        row, checks, signs = add_processor(code="acme", url=receiver.url, **audit)
        fake = ReferenceProcessor(checks, signs, lambda *_: None, charged=killer)
        receiver.behave = fake
        for invoice in Document.objects.all():
            request_charge(invoice=invoice, processor=row, **audit)
        quicker = {"WEBHOOKS_TIMEOUT_SECONDS": "1", "CHARGES_LEASE_SECONDS": "3"}
        killer.victim = worker(queues="charges", **CHARGING | quicker)
        beat()

        def all_paid():
            tell_all(row, fake)
            return not Document.objects.filter(state="open").exists()

        until(all_paid, "all paid")

    assert killer.left <= 0
    assert len(fake.journal) == len(dict(fake.journal)) == INVOICES
    booked = set(Payment.objects.values_list("reference", flat=True))
    assert booked == {reference for _, reference in fake.journal}
    assert verify_everything().findings == []


def test_what_a_killed_worker_sent_is_charged_once(fresh_database, worker, beat):
    make_prices()
    payer = make_agency()
    make_seats(payer, "ana")
    bill(MARCH)
    audit: dict[str, Any] = {"actor": "test", "now": timezone.now()}
    with receiving() as receiver:
        processor = add_processor(code="acme", url=receiver.url, **audit)[0]
        attempt = request_charge(
            invoice=documents_of(payer)[0], processor=processor, **audit
        )
        victim = worker(queues="charges", **CHARGING)
        receiver.behave = lambda *_: victim.kill()
        beat()
        until(lambda: victim.is_dead(), "killed")
        assert PaymentAttempt.objects.get().state == "sent"
        receiver.behave = answers(204)
        worker(queues="charges", **CHARGING)
        until(lambda: PaymentAttempt.objects.get().state == "pending", "pending")
        body = charge_event_body(attempt, "succeeded", reference="ch_1")
        for _ in range(2):
            headers = signed(processor, body, timezone.now())
            assert post(Client(), processor, body, headers).status_code == 204
        until(lambda: PaymentAttempt.objects.get().state == "succeeded", "booked")

    charges = [
        request
        for request in receiver.received
        if request.payload["type"][8:] == "requested"
    ]
    assert len(charges) >= 2  # once more where the first answer came late
    assert {charge.id for charge in charges} == {str(attempt.public_id)}
    assert Payment.objects.count() == 1
    assert verify_everything().findings == []
