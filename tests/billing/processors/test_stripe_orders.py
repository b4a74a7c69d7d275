"""Stripe's events end in the same books in every order."""

import itertools
from datetime import timedelta

import pytest

from billing.collection.models.disputes import Dispute
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls, make_call
from billing.collection.services.inbound_events import process_events
from billing.collection.verification.money import verify_everything
from billing.processors.services.registry import connect
from billing.receivables.models import Payment, Refund
from tests.billing.collection.answering import post_signed as post
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


@pytest.fixture(autouse=True)
def one_clock(monkeypatch, clock):
    """The web server has the test's time, however long the test takes."""
    monkeypatch.setattr("django.utils.timezone.now", clock)


@pytest.fixture
def attempt(save_card, invoice, clock):
    """Of 100.00 by the payer's card; not sent yet."""
    save_card()
    return request_charge(invoice=invoice, actor="test", now=clock())


NAMES = [
    "payment_intent.created", "payment_intent.processing", "charge.succeeded",
    "payment_intent.succeeded", "payment_intent.succeeded",
]  # fmt: skip


def test_all_orders_of_the_events_of_a_charge_give_the_same_books(
    client, stripe, attempt, invoice, clock
):
    (call,) = claim_calls(CHARGES, now=clock(), limit=1)
    make_call(call, connect, clock)  # and nothing of it is recorded
    intent = stripe.account.of("payment_intent")[0]
    stripe.account.add_event("payment_intent.processing", intent)
    events = {event["type"]: event for event in stripe.account.of("event")}
    for order in sorted(set(itertools.permutations(NAMES))):
        with rolled_back():
            for number, name in enumerate(order):
                event = events[name] | {"id": f"evt_of_{number}"}
                assert post(client, *stripe.signed(event, clock())).status_code == 204
                if number in {2, 4}:
                    process_events(now=clock() + timedelta(minutes=1))

            attempt.refresh_from_db()
            invoice.refresh_from_db()
            assert (attempt.state, invoice.state) == ("succeeded", "paid")
            assert Payment.objects.get().reference == intent["id"]
            events_left = ProcessorEvent.objects.exclude(state="done")
            assert not events_left.exists()
            assert verify_everything().findings == []


@pytest.mark.parametrize("first", ["refund.created", "charge.dispute.created"])
def test_what_went_back_may_be_told_before_what_came_in(
    client, stripe, attempt, invoice, clock, first
):
    (call,) = claim_calls(CHARGES, now=clock(), limit=1)
    make_call(call, connect, clock)  # and nothing of it is recorded
    intent = stripe.account.of("payment_intent")[0]
    stripe.account.create_refund({"payment_intent": intent["id"], "amount": "2000"})
    intent_of_less = intent | {"amount": 8000}
    stripe.account.dispute(intent_of_less, "lost")

    for name in (first, "payment_intent.succeeded"):
        event = stripe.account.of("event", type=name)[0]
        assert post(client, *stripe.signed(event, clock())).status_code == 204
        process_events(now=clock.forward(minutes=1))

    assert not ProcessorEvent.objects.exclude(state="done").exists()
    attempt.refresh_from_db()
    invoice.refresh_from_db()
    assert (attempt.state, invoice.state) == ("succeeded", "open")
    assert Refund.objects.count() + Dispute.objects.count() == 1
    assert verify_everything().findings == []
