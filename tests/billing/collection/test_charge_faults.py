"""Seeded faults of processors and workers: nobody pays twice, no money is lost.

The journal of the processor is the truth. What it charged must be in our books, once.
"""

from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import (
    ChargeUnderWay,
    NothingToCharge,
    request_charge,
)
from billing.collection.services.charges import CHARGES
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.processors.domain.port import ChargeRequest, ProcessorOutcome
from billing.receivables.models import Payment
from tests.billing.collection.answering import charge_event_body
from tests.billing.collection.plays import Play
from tests.billing.collection.processors import FakeProcessor
from tests.billing.webhooks.conftest import Clock
from tests.build import MARCH, bill, make_agency, make_prices, make_seats

pytestmark = pytest.mark.django_db
SEEDS = range(20)
INVOICES, STEPS = 6, 40


class ChargePlay(Play):
    """Payers that are charged for what they owe."""

    calls = CHARGES

    def ask(self) -> None:
        invoice = self.chance.choice(list(Document.objects.filter(kind="invoice")))
        try:
            request_charge(
                invoice=invoice, processor=self.row, actor="test", now=self.clock()
            )
        except (ChargeUnderWay, NothingToCharge):
            return  # somebody is at it, or it is paid

    def body_of(self, request: Any, outcome: ProcessorOutcome) -> bytes:
        attempt = PaymentAttempt.objects.get(public_id=request.key)
        kind = "succeeded" if outcome.kind == "succeeded" else "declined"
        return charge_event_body(
            attempt, kind, reference=outcome.reference,
            hard=outcome.kind == "declined_hard",
        )  # fmt: skip


@pytest.fixture(scope="module")
def invoices(module_rows, issued_at_once):
    make_prices()
    for number in range(INVOICES):
        make_seats(make_agency(f"A{number}"), "ana")
    bill(MARCH)


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_pays_twice_and_no_money_is_lost(seed, invoices, monkeypatch):
    play = ChargePlay(seed)
    # The door checks signatures by the clock of the play.
    monkeypatch.setattr("django.utils.timezone.now", play.clock)

    for _ in range(STEPS):
        play.step()
    play.settle()

    charged = {entry.reference: entry.amount for entry in play.fake.journal}
    booked = dict(Payment.objects.values_list("reference", "amount"))
    assert booked == charged
    assert len(play.fake.journal) == len({entry.key for entry in play.fake.journal})
    paid = Counter(
        PaymentAttempt.objects.filter(state="succeeded").values_list(
            "invoice", flat=True
        )
    )
    assert set(paid.values()) <= {1}
    assert not ProcessorEvent.objects.exclude(state="done").exists()
    lost = PaymentAttempt.objects.filter(state="unknown", public_id__in=[
        entry.key for entry in play.fake.journal
    ])  # fmt: skip
    assert not lost.exists()
    with transaction.atomic():
        assert verify_everything().findings == []


def test_a_processor_that_forgot_its_key_would_charge_twice():
    """The plays would notice double charges: the fake is as strict as it claims."""
    fake, clock = FakeProcessor(), Clock()
    charge = ChargeRequest(uuid4(), Decimal(50), "USD", "A0", "A0-1", clock())
    for hours in (0, 23, 2):
        fake.charge(charge, at=clock.forward(hours=hours))

    assert len(fake.journal) == 2
