"""Random histories of payers, cards, processors, payments, holds and outages."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import Phase, event, given
from hypothesis import strategies as st

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.methods import remove_method
from billing.collection.services.outcomes import apply_charge_outcome
from billing.collection.verification.money import verify_everything
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.services.cases import hold_dunning
from billing.invoicing.models.documents import Document
from billing.invoicing.services.documents import void_document
from billing.receivables.models import Payment
from billing.receivables.services.refunds import refund_payment
from core.errors import Refusal
from tests.billing.dunning.conftest import (
    ISSUED,
    Days,
    allowed,
    make_payer,
    make_processor,
    pay,
    save_card,
)
from tests.build import APRIL, MARCH, MAY, bill
from tests.laws import examples
from tests.rollback import rolled_back

EXAMPLES = examples(8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
FAULTS = ["ok", "soft", "soft", "hard", "hard", "hung", "later", "refused", "lost"]
WAITS = [0, 1, 3, 5, 7, 7, 9, 30]
PAYS = [30, 100, 130]
# Sampled, since `one_of` counts each of its strategies once.
KINDS = ["wait"] * 8 + ["answers"] * 2 + ["card", "no_card", "pay", "hold", "refund"]
KINDS += ["void", "bill"]
steps = st.tuples(st.sampled_from(KINDS), st.integers(0, 1), st.integers(0, 20))


class History:
    """Two payers, one with a card at first; the months are billed in turn."""

    def __init__(self, world):
        self.payers, self.processor = world
        self.days, self.day = Days(), 0.0
        self.fault = "ok"
        self.days.fake.faults = lambda: self.fault
        self.months = [APRIL, MAY]
        self.stopped = 0

    def play(self, step):
        try:
            getattr(self, step[0])(*step[1:])
        except Refusal as refusal:
            event(f"{step[0]}: {refusal.code}")
        self.check()

    def wait(self, _, number):
        self.day += WAITS[number % len(WAITS)]
        self.days.at(self.day)
        for charge, outcome in self.days.fake.answers:
            attempt = PaymentAttempt.objects.get(public_id=charge.key)
            apply_charge_outcome(attempt=attempt, outcome=outcome, now=self.days.now)
        self.days.fake.answers.clear()

    def answers(self, _, number):
        self.fault = FAULTS[number % len(FAULTS)]

    def card(self, payer, _):
        save_card(self.payers[payer], self.processor, self.days.now)

    def no_card(self, payer, _):
        for method in PaymentMethod.objects.filter(payer=self.payers[payer]):
            remove_method(method=method, actor="law", now=self.days.now)

    def pay(self, payer, number):
        pay(self.payers[payer], PAYS[number % len(PAYS)], self.days.now)

    def hold(self, payer, days):
        hold_dunning(
            payer=self.payers[payer], reason="law", actor="law", now=self.days.now,
            until=(self.days.now + timedelta(days=days)).date(),
        )  # fmt: skip

    def void(self, payer, _):
        invoice = Document.objects.filter(payer=self.payers[payer], kind="invoice")
        void_document(
            document_id=invoice.order_by("-pk")[0].pk, actor="law", reason="law",
            now=self.days.now,
        )  # fmt: skip

    def refund(self, _, number):
        payments = list(Payment.objects.order_by("pk"))
        if payments:
            payment = payments[number % len(payments)]
            refund_payment(
                payment=payment, amount=Decimal(10), reference=f"r{random.random()}",
                reason="law", actor="law", now=self.days.now,
            )  # fmt: skip

    def bill(self, *_):
        if self.months and self.day > 30 * (3 - len(self.months)):
            bill(self.months.pop(0), now=self.days.now)

    def check(self):
        for payer in self.payers:
            self.check_payer(payer)
        self.check_retries()

    def check_payer(self, payer):
        now = self.days.now
        open_ones = Document.objects.filter(payer=payer, kind="invoice", state="open")
        overdue = open_ones.filter(due_at__lte=now)
        case = DunningCase.objects.filter(payer=payer, closed_at=None).first()
        stopped = allowed(payer, now) == ["suspended"]
        self.stopped += stopped
        assert not stopped or overdue.exists(), "suspended while nothing is overdue"
        assert stopped == (case is not None and case.state == "suspended")
        charged = PaymentAttempt.objects.filter(
            invoice__payer=payer, state__in=PaymentAttempt.OPEN
        )
        assert charged.filter(actor="dunning").count() <= 1
        if case:
            event(f"case {case.state}")
            waits = case.next_step_at or case.state == "suspended" or charged.exists()
            assert waits, "a case that nothing will ever move"
            assert case.invoice.payer_id == payer.pk
        rows = DunningStep.objects.filter(case__payer=payer).order_by("pk")
        moments = list(rows.values_list("at", flat=True))
        assert moments == sorted(moments)

    def check_retries(self):
        """Never again by a method that was declined for good before."""
        for attempt in PaymentAttempt.objects.filter(actor="dunning"):
            before = PaymentAttempt.objects.filter(
                method=attempt.method, state="declined_hard", pk__lt=attempt.pk,
                changed_at__lte=attempt.requested_at,
            )  # fmt: skip
            assert not before.exists()


@pytest.fixture
def world(prices):
    owing = [make_payer("ALPHA"), make_payer("BRAVO")]
    processor = make_processor()
    save_card(owing[0], processor, ISSUED)
    bill(MARCH)
    return owing, processor


class TestLaws:
    @given(st.lists(steps, min_size=12, max_size=30))
    @EXAMPLES
    def test_nobody_is_charged_or_stopped_against_the_rules(self, world, history):
        with rolled_back():
            played = History(world)
            for step in history:
                played.play(step)

            event(f"suspended at some time: {played.stopped > 0}")
            for payer in played.payers:
                pay(payer, 10_000, played.days.now)
                assert allowed(payer, played.days.now) is True
            played.wait(0, 0)
            assert verify_everything().findings == []
