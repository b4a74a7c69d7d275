"""Seeded faults between us and Stripe, through its own library: nobody pays twice.

The journal of the fake is the truth. What it charged must be in our books, once.
"""

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage, ProcessorCustomer
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import (
    ChargeUnderWay,
    NothingToCharge,
    request_charge,
)
from billing.collection.services.charges import CHARGES, charge_due
from billing.collection.services.checkout import open_payment_page
from billing.collection.services.checkout_closing import (
    PageNotOpened,
    ProcessorUnreachable,
    close_payment_page,
)
from billing.collection.services.dispatch import claim_calls, make_call, record_outcome
from billing.collection.services.inbound_events import process_events
from billing.collection.services.methods import save_method
from billing.collection.signals import attempt_ended
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.processors.services.processors import add_processor
from billing.processors.services.registry import connect
from billing.receivables.models import Payment
from tests.billing.collection.answering import post_signed
from tests.billing.collection.paging import PAGE_OPTIONS
from tests.billing.processors.stripe_account import Refused
from tests.billing.processors.stripe_fake import KEY, SECRET, fake_stripe
from tests.billing.webhooks.conftest import Clock
from tests.build import APRIL_2, MARCH, bill, make_agency, make_prices, make_seats
from tests.laws import share_of
from tests.rollback import rolled_back

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("at_once", "loopback"),
    pytest.mark.timeout(300),
]
CARDS = ["pm_visa", "pm_visa", "pm_visa", "pm_declined", "pm_action", "pm_slow"]
STEPS, DEATHS = 40, 30
FAULTS = {
    "POST": "ok ok ok busy reset reset_after error garbage hang".split(),
    "GET": "ok ok ok ok ok ok busy reset garbage error".split(),
}


class Play:
    """One seed: payers, Stripe, sweeps, killed workers, events in any order."""

    def __init__(self, seed, clock, fake):
        self.chance, self.clock, self.fake = random.Random(seed), clock, fake
        self.row = add_processor(
            code="stripe", url=fake.url, kind="stripe", key=KEY, endpoint_secret=SECRET,
            actor="test", now=APRIL_2,
        )[0]  # fmt: skip
        self.late, self.undelivered = [], 0
        for number, card in enumerate(CARDS):
            self.add_payer(f"A{number}", f"{card}_{number}")
        bill(MARCH)

    def add_payer(self, code, card):
        payer = make_agency(code)
        make_seats(payer, "ana")
        customer = self.fake.account.create_customer({"metadata": {"payer": code}})
        self.fake.account.method(card, customer["id"])
        ProcessorCustomer.objects.create(
            processor=self.row, payer=payer, reference=customer["id"]
        )
        save_method(
            payer=payer, processor=self.row, customer=customer["id"], reference=card,
            actor="test", now=self.clock(),
        )  # fmt: skip

    def fault(self, method, path):
        return self.chance.choice(FAULTS[method])

    def step(self):
        self.chance.choice(
            [self.ask, self.ask, self.open, self.sweep, self.sweep, self.kill,
             self.stall, self.wake, self.pay, self.close, self.bank, self.tell,
             self.tell, self.wait, self.wait]
        )()  # fmt: skip

    def invoice(self):
        return self.chance.choice(list(Document.objects.filter(kind="invoice")))

    def ask(self):
        with suppress(ChargeUnderWay, NothingToCharge):
            request_charge(invoice=self.invoice(), actor="test", now=self.clock())

    def open(self):
        request = {
            "invoice": self.invoice(),
            "options": PAGE_OPTIONS,
            "clock": self.clock,
        }
        with suppress(
            ChargeUnderWay, NothingToCharge, PageNotOpened, ProcessorUnreachable
        ):
            open_payment_page(**request)

    def pay(self):
        """Payers use the pages they were given, with good cards and bad ones."""
        for page in CheckoutPage.objects.exclude(url=""):
            if self.fake.account.get(page.reference)["status"] == "open":
                card = self.chance.choice(["pm_visa", "pm_declined", "pm_slow"])
                self.fake.account.use_page(page.reference, f"{card}_{page.reference}")

    def close(self):
        for page in CheckoutPage.objects.exclude(url=""):
            with suppress(ProcessorUnreachable):
                close_payment_page(page=page, clock=self.clock)

    def bank(self):
        """Slow banks complete their charges."""
        account = self.fake.account
        for intent in account.of("payment_intent", status="processing"):
            if self.chance.random() < 0.5:
                account.succeed(intent)
            else:
                card = account.method(f"pm_declined_{intent['id']}", intent["customer"])
                with suppress(Refused):
                    account.confirm(intent, card["id"])

    def sweep(self):
        charge_due(clock=self.clock)

    def kill(self):
        """A worker dies between its call and its commit."""
        for call in claim_calls(CHARGES, now=self.clock(), limit=2):
            make_call(call, connect, self.clock)

    def stall(self):
        """A worker makes calls, and records them only after others went on."""
        for call in claim_calls(CHARGES, now=self.clock(), limit=2):
            self.late.append((call, make_call(call, connect, self.clock)))

    def wake(self):
        while self.late:
            call, outcome = self.late.pop()
            record_outcome(call=call, outcome=outcome, now=self.clock())

    def tell(self):
        """Deliver some of the events, shuffled, some twice; others never arrive."""
        events = list(self.fake.account.events)
        self.chance.shuffle(events)
        for event in events[: self.chance.randint(0, 4)]:
            for _ in range(self.chance.randint(1, 2)):
                signed = self.fake.signed(event)
                assert post_signed(Client(), *signed).status_code == 204
        process_events(now=self.clock())

    def wait(self):
        self.clock.forward(minutes=self.chance.choice([1, 3, 6, 70, 60 * 7, 60 * 25]))
        self.fake.account.let_pages_expire()

    def settle(self, *, send_events):
        """The network works again: look everything up until all outcomes are known."""
        self.fake.faults = lambda method, path: "ok"
        self.wake()
        for _ in range(5):
            self.clock.forward(days=1, minutes=11)
            self.fake.account.let_pages_expire()
            for intent in self.fake.account.of("payment_intent", status="processing"):
                self.fake.account.succeed(intent)
            self.sweep()
        for event in self.fake.account.events if send_events else []:
            assert post_signed(Client(), *self.fake.signed(event)).status_code == 204
        for _ in range(2):
            process_events(now=self.clock.forward(minutes=5))

    def check(self):
        journal = self.fake.account.journal
        charged = {charge.intent: charge.amount for charge in journal}
        booked = Payment.objects.values_list("reference", "amount")
        assert {reference: int(amount * 100) for reference, amount in booked} == charged
        assert len(journal) == len({charge.attempt for charge in journal})
        paid = PaymentAttempt.objects.filter(state="succeeded").values_list("invoice")
        assert len(paid) == len(set(paid)) == len(journal)
        still = PaymentAttempt.objects.filter(state__in=PaymentAttempt.OPEN)
        assert not still.exists()
        left = ProcessorEvent.objects.exclude(state="done").values_list("last_error")
        assert list(left) == []
        with transaction.atomic():
            assert verify_everything().findings == []


@pytest.fixture
def slow_line(settings):
    """Short timeouts, and calls one by one, so that a seed is reproducible."""

    def wait_for(seconds):
        timeout = {"TIMEOUT": timedelta(seconds=seconds)}
        settings.WEBHOOKS = {**settings.WEBHOOKS, **timeout}

    settings.CHARGES = {**settings.CHARGES, "AT_ONCE": 1, "ON_ISSUE": False}
    return wait_for


@pytest.mark.parametrize("first", [0, 5, 10, 15])
def test_nobody_pays_twice_and_no_money_is_lost(first, monkeypatch, slow_line):
    injected: Counter[str] = Counter()
    for seed in range(first, first + 5):
        clock = Clock()
        monkeypatch.setattr("django.utils.timezone.now", clock)
        with rolled_back(), fake_stripe(clock, hangs_for=0.4) as fake:
            make_prices()
            play = Play(seed, clock, fake)
            fake.faults = play.fault
            slow_line(0.25)
            for _ in range(STEPS):
                play.step()
            slow_line(10)
            play.settle(send_events=seed % 2 == 0)
            play.check()
            injected += fake.injected

    assert injected.keys() >= {fault for kinds in FAULTS.values() for fault in kinds}


class Killed(Exception):
    """End the process here."""


def die(**_changes):
    raise Killed


@pytest.mark.parametrize("seed", range(3))
def test_a_process_killed_between_charge_and_commit_charges_once(
    seed, invoice, save_card, stripe, clock, at_stripe
):
    save_card()
    chance = random.Random(seed)
    for _ in share_of(range(DEATHS // 3)):
        with rolled_back():
            attempt = request_charge(invoice=invoice, actor="test", now=clock())
            kill_at(chance.choice(["claimed", "called", "recording"]), clock)
            clock.forward(minutes=chance.choice([3, 7, 90]))

            charge_due(clock=clock)

            attempt.refresh_from_db()
            charged = [
                charge for charge in stripe.account.journal
                if charge.attempt == str(attempt.public_id)
            ]  # fmt: skip
            assert attempt.state == "succeeded"
            assert [charge.intent for charge in charged] == [attempt.reference]
            assert Payment.objects.get().reference == attempt.reference
            assert verify_everything().findings == []


def kill_at(point, clock):
    (call,) = claim_calls(CHARGES, now=clock(), limit=1)
    if point == "claimed":
        return
    outcome = make_call(call, connect, clock)
    assert outcome.kind == "succeeded"
    if point == "called":
        return
    attempt_ended.connect(die)
    try:
        with pytest.raises(Killed):
            record_outcome(call=call, outcome=outcome, now=clock())
    finally:
        attempt_ended.disconnect(die)
    assert not Payment.objects.exists()
