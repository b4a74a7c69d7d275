"""Seeded faults of processors and workers: nobody pays twice, no money is lost.

The journal of the processor is the truth. What it charged must be in our books, once.
"""

import random
from collections import Counter
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client

from billing.invoicing.models import Document
from billing.payments.models import Payment, PaymentAttempt, ProcessorEvent
from billing.payments.processors.port import Charge
from billing.payments.services.answers import work_off_events
from billing.payments.services.charging import (
    charge_due,
    claim_calls,
    make_call,
    record_outcome,
)
from billing.payments.services.requesting import (
    ChargeUnderWay,
    NothingToCharge,
    add_processor,
    request_charge,
)
from billing.payments.verification import verify_everything
from tests.billing.payments.answering import post, signed, told_of
from tests.billing.payments.processors import FakeProcessor, seeded
from tests.billing.webhooks.conftest import Clock
from tests.build import APRIL_2, MARCH, bill, make_agency, make_prices, make_seats

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_once")]
SEEDS = range(20)
INVOICES, STEPS = 6, 40


class Play:
    """One seed: payers, a processor, sweeps, killed workers, answers in any order."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.fake = FakeProcessor(faults=seeded(self.chance))
        self.row = add_processor(
            code="acme", url="https://pay.example.com", actor="test", now=APRIL_2
        )[0]
        self.late: list[tuple[object, object]] = []
        self.killed = 0

    def step(self) -> None:
        self.chance.choice(
            [self.ask, self.ask, self.sweep, self.sweep, self.kill, self.stall,
             self.wake, self.answer, self.answer, self.wait, self.wait]
        )()  # fmt: skip

    def ask(self) -> None:
        invoice = self.chance.choice(list(Document.objects.filter(kind="invoice")))
        try:
            request_charge(
                invoice=invoice, processor=self.row, actor="test", now=self.clock()
            )
        except (ChargeUnderWay, NothingToCharge):
            return  # somebody is at it, or it is paid

    def sweep(self) -> None:
        charge_due(clock=self.clock, connect=lambda _: self.fake)

    def kill(self) -> None:
        """A worker dies between its call and its commit."""
        for call in claim_calls(now=self.clock(), limit=2):
            make_call(call, lambda _: self.fake, self.clock)
            self.killed += 1

    def stall(self) -> None:
        """A worker that has called, and records it only when others have gone on."""
        for call in claim_calls(now=self.clock(), limit=2):
            outcome = make_call(call, lambda _: self.fake, self.clock)
            self.late.append((call, outcome))

    def wake(self) -> None:
        while self.late:
            call, outcome = self.late.pop()
            record_outcome(call=call, outcome=outcome, now=self.clock())  # type: ignore[arg-type]

    def answer(self) -> None:
        """Some of the answers, shuffled, some twice; others never come."""
        self.chance.shuffle(self.fake.answers)
        for charge, outcome in self.fake.answers[: self.chance.randint(0, 3)]:
            attempt = PaymentAttempt.objects.get(public_id=charge.key)
            kind = "succeeded" if outcome.kind == "succeeded" else "declined"
            body = told_of(
                attempt, kind, reference=outcome.reference,
                hard=outcome.kind == "declined_hard",
            )  # fmt: skip
            for _ in range(self.chance.randint(1, 2)):
                headers = signed(self.row, body, self.clock())
                assert post(Client(), self.row, body, headers).status_code == 204
        work_off_events(now=self.clock())

    def wait(self) -> None:
        self.clock.forward(minutes=self.chance.choice([1, 3, 6, 70, 60 * 7, 60 * 25]))

    def settle(self) -> None:
        """The line is good again: everything is asked about until all is known."""
        self.fake.faults = lambda: "ok"
        self.wake()
        for _ in range(4):
            self.clock.forward(days=1, minutes=1)
            self.sweep()
        work_off_events(now=self.clock())


@pytest.fixture
def real_time(monkeypatch, settings):
    """The door checks signatures by the clock of the play."""

    def follow(play: Play) -> None:
        monkeypatch.setattr("django.utils.timezone.now", play.clock)

    return follow


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_pays_twice_and_no_money_is_lost(seed, real_time):
    make_prices()
    for number in range(INVOICES):
        make_seats(make_agency(f"A{number}"), "ana")
    bill(MARCH)
    play = Play(seed)
    real_time(play)

    for _ in range(STEPS):
        play.step()
    play.settle()

    charged = {one.reference: one.amount for one in play.fake.journal}
    booked = dict(Payment.objects.values_list("reference", "amount"))
    assert booked == charged
    assert len(play.fake.journal) == len({one.key for one in play.fake.journal})
    paid = Counter(
        PaymentAttempt.objects.filter(state="succeeded").values_list(
            "invoice", flat=True
        )
    )
    assert set(paid.values()) <= {1}
    assert not ProcessorEvent.objects.exclude(state="done").exists()
    lost = PaymentAttempt.objects.filter(state="unknown", public_id__in=[
        one.key for one in play.fake.journal
    ])  # fmt: skip
    assert not lost.exists()
    with transaction.atomic():
        assert verify_everything().findings == []


def test_a_processor_that_forgot_its_key_would_charge_twice():
    """What the plays would find out: the fake is not kinder than it says."""
    fake, clock = FakeProcessor(), Clock()
    charge = Charge(uuid4(), Decimal(50), "USD", "A0", "A0-1", clock())
    for hours in (0, 23, 2):
        fake.charge(charge, at=clock.forward(hours=hours))

    assert len(fake.journal) == 2
