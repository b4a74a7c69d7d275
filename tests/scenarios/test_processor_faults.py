"""A processor of every mood, over real connections: all it charged is booked, once."""

import random
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import charge_due
from billing.collection.services.inbound_events import process_events
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment
from tests.billing.collection.answering import post
from tests.build import MARCH, bill, make_agency, make_prices, make_seats
from tests.receivers import receiving
from tests.reference_processor import ReferenceProcessor

INVOICES, SECONDS = 24, 60
MOODS = "well deaf hangs resets errs before never hard soft".split()


@pytest.fixture
def quick(settings):
    """What takes minutes and days is over in moments."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    settings.WEBHOOKS = {
        **settings.WEBHOOKS, "ALLOW_LOOPBACK": True, "TIMEOUT": timedelta(seconds=0.4)
    }  # fmt: skip
    settings.CHARGES = {
        **settings.CHARGES, "LEASE": timedelta(seconds=3),
        "SWEEP": timedelta(seconds=0.5), "LOOK_UPS": [timedelta(seconds=0.2)],
    }  # fmt: skip


@pytest.fixture
def dice():
    return random.Random(7)


@pytest.fixture
def fake(fresh_database, quick, dice):
    """A processor that listens, and tells our door."""
    with receiving() as receiver:
        row, checks, signs = add_processor(
            code="acme", url=receiver.url, actor="test", now=timezone.now()
        )

        def tell(body, headers):
            try:
                assert post(Client(), row, body, headers).status_code == 204
            finally:
                connections["default"].close()

        processor = ReferenceProcessor(checks, signs, tell, lambda: dice.choice(MOODS))
        receiver.behave = processor
        yield processor


def ask_for_all():
    """Charge what is owed, and once more what was declined."""
    acme = PaymentProcessor.objects.get()
    busy = PaymentAttempt.objects.filter(state__in=PaymentAttempt.OPEN)
    owed = Document.objects.filter(state="open")
    for invoice in owed.exclude(pk__in=busy.values("invoice")):
        request_charge(
            invoice=invoice, processor=acme, actor="test", now=timezone.now()
        )


def say_some(fake, dice):
    """In any order, some of it twice."""
    with fake.lock:
        dice.shuffle(fake.unsent)
    for body in fake.take_unsent(dice.randint(0, 8)):
        for _ in range(dice.randint(1, 2)):
            fake.post_event(body)


def test_a_processor_of_every_mood_is_paid_once_an_invoice(fake, dice):
    make_prices()
    for number in range(INVOICES):
        make_seats(make_agency(f"A{number}"), "ana")
    bill(MARCH)
    deadline = time.monotonic() + SECONDS
    while Document.objects.filter(state="open").exists():
        assert time.monotonic() < deadline
        ask_for_all()
        charge_due(clock=timezone.now)
        say_some(fake, dice)
        process_events(now=timezone.now())

    say_some(fake, dice)
    process_events(now=timezone.now())
    invoices = [invoice for invoice, _ in fake.journal]
    assert set(fake.seen) == set(MOODS)
    assert len(invoices) == len(set(invoices)) == INVOICES
    booked = set(Payment.objects.values_list("reference", flat=True))
    assert booked == {reference for _, reference in fake.journal}
    assert not ProcessorEvent.objects.exclude(state="done").exists()
    assert verify_everything().findings == []
