"""Seeded faults around refunds: nothing goes back twice, nothing that went is lost.

The journal of the processor is the truth. What it gave back must be in our books, once.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.refund_requests import REFUNDS, request_refund
from billing.collection.verification.money import verify_everything
from billing.processors.domain.port import ProcessorOutcome
from billing.receivables.models import Payment, Refund
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import MoreThanCaptured
from tests.billing.collection.answering import refund_event_body
from tests.billing.collection.plays import Play
from tests.build import APRIL_2, MARCH, bill, make_agency, make_prices, make_seats

pytestmark = pytest.mark.django_db
SEEDS = range(20)
PAYMENTS, STEPS = 4, 40


class RefundPlay(Play):
    """Payers that get partial refunds."""

    calls = REFUNDS

    def ask(self) -> None:
        payment = self.chance.choice(list(Payment.objects.all()))
        amount = Decimal(self.chance.choice([5, 20, 50, 70]))
        try:
            request_refund(
                payment=payment, amount=amount, reason="test", actor="test",
                now=self.clock(),
            )  # fmt: skip
        except MoreThanCaptured:
            return  # it is given back, or being given back

    def body_of(self, request: Any, outcome: ProcessorOutcome) -> bytes:
        attempt = RefundAttempt.objects.get(public_id=request.key)
        kind = "succeeded" if outcome.kind == "succeeded" else "failed"
        return refund_event_body(attempt, kind, reference=outcome.reference)


@pytest.fixture(scope="module")
def payments(module_rows, issued_at_once):
    make_prices()
    for number in range(PAYMENTS):
        payer = make_agency(f"A{number}")
        make_seats(payer, "ana")
        receive_payment(
            payer=payer, amount=Decimal(70), currency="USD", processor="acme",
            reference=f"ch_{number}", now=APRIL_2,
        )  # fmt: skip
    bill(MARCH)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_goes_back_twice_and_nothing_is_lost(seed, payments, monkeypatch):
    play = RefundPlay(seed)
    monkeypatch.setattr("django.utils.timezone.now", play.clock)

    for _ in range(STEPS):
        play.step()
    play.settle()

    went = {
        refund.reference: (refund.payment, refund.amount)
        for refund in play.fake.refunds
    }
    rows = Refund.objects.values_list("reference", "payment__reference", "amount")
    assert {ref: (payment, amount) for ref, payment, amount in rows} == went
    assert len(play.fake.refunds) == len({refund.key for refund in play.fake.refunds})
    returned: Counter[str] = Counter()
    for refund in play.fake.refunds:
        returned[refund.payment] += int(refund.amount)
    assert all(amount <= 70 for amount in returned.values())
    assert not ProcessorEvent.objects.exclude(state="done").exists()
    lost = RefundAttempt.objects.filter(state="unknown", public_id__in=[
        refund.key for refund in play.fake.refunds
    ])  # fmt: skip
    assert not lost.exists()
    with transaction.atomic():
        assert verify_everything().findings == []
