"""Random histories of seats, closings, voids, payments, refunds and reversals."""

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from billing.collection.models.disputes import Dispute
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.ledger.queries import balances_of
from billing.processors.domain.port import DisputeUpdate
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment, Refund
from billing.receivables.queries.positions import customer_credit, positions_of
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import refund_payment
from billing.receivables.services.reversals import reverse_payment
from core.errors import Refusal
from seats.models import Agency
from tests.billing.invoicing import worlds
from tests.billing.invoicing.worlds import LATEST, MONTHS, World
from tests.build import bill
from tests.laws import examples
from tests.rollback import rolled_back

EXAMPLES = examples(8)
cents = st.sampled_from([1, 5_000, 10_000, 30_000]) | st.integers(1, 40_000)
pays = st.tuples(st.just("pay"), st.integers(0, 2), cents, st.integers(0, 9))
deposits = st.tuples(st.just("deposit"), st.integers(0, 2), cents, st.integers(0, 9))
reversals = st.tuples(st.just("reverse"), st.integers(0, 9))
refunds = st.tuples(st.just("refund"), st.integers(0, 9), cents)
states = st.sampled_from(["inquiry", "open", "won", "lost"])
disputes = st.tuples(
    st.just("dispute"), st.integers(0, 9), st.sampled_from([500, 9_000]),
    st.integers(0, 2), states,
)  # fmt: skip
histories = st.lists(
    st.one_of(
        worlds.seat_facts, worlds.uses, worlds.shares, worlds.closes, worlds.closes,
        worlds.voids, pays, deposits, deposits, reversals, refunds, disputes, disputes,
    ),
    min_size=5,
    max_size=30,
)  # fmt: skip
_references = count()


class PayingWorld(World):
    """A downline that pays."""

    def begin(self) -> "PayingWorld":
        super().begin()
        add_processor(
            code="acme", url="https://pay.example.com", actor="law", now=LATEST
        )
        return self

    def again(self) -> "PayingWorld":
        return PayingWorld(agencies=[*self.agencies], seats=[*self.seats])

    def _deposit(self, agency: int, cents: int, position: int) -> None:
        self._pay(agency, cents, position, processor="manual")

    def _reverse(self, n: int) -> None:
        payments = list(Payment.objects.filter(processor="manual").order_by("pk"))
        if payments:
            reverse_payment(
                payment=payments[n % len(payments)], reason="law", actor="law",
                now=LATEST,
            )  # fmt: skip

    def _pay(
        self, agency: int, cents: int, position: int, processor: str = "acme"
    ) -> None:
        payer = self.agencies[agency]
        own = list(Document.objects.filter(payer=payer, kind="invoice").order_by("pk"))
        receive_payment(
            payer=payer, amount=Decimal(cents) / 100, currency="USD",
            processor=processor, reference=f"P{next(_references)}", now=LATEST,
            document=own[position] if position < len(own) else None,
        )  # fmt: skip

    def _refund(self, n: int, cents: int) -> None:
        refund_payment(
            payment=self._payment(n), amount=Decimal(cents) / 100,
            reference=f"R{next(_references)}", reason="law", actor="law", now=LATEST,
        )  # fmt: skip

    def _dispute(self, n: int, cents: int, number: int, state: Any) -> None:
        payment = self._payment(n)
        fact = DisputeUpdate(
            payment.reference, f"{payment.reference} {number}", Decimal(cents) / 100,
            "USD", state,
        )  # fmt: skip
        acme = PaymentProcessor.objects.get()
        apply_dispute_update(processor=acme, update=fact, now=LATEST)

    def _payment(self, n: int) -> Payment:
        payments = list(Payment.objects.order_by("pk"))
        if not payments:
            raise Refusal("nothing paid yet")
        return payments[n % len(payments)]


@pytest.fixture
def paying(db: None, settings: Any) -> World:
    settings.BILLING = {
        **settings.BILLING, "REVIEW_WINDOW": None, "OUTLIER_FACTOR": 10**9,
    }  # fmt: skip
    return PayingWorld().begin()


class TestLaws:
    @given(histories)
    @EXAMPLES
    def test_the_books_hold_and_no_more_is_kept_than_is_owed(self, paying, steps):
        with rolled_back():
            world = paying.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[-1], now=LATEST)

            assert verify_everything().findings == []
            for payer in world.agencies:
                kept = collected(payer) - customer_credit(payer.pk)
                assert kept <= billed(payer)
                position = positions_of([payer.pk]).get(payer.pk)
                open_ = [t for t in position.targets if t.owed] if position else []
                assert not open_, "something is owed and something could cover it"
                says = balances_of(payer)
                withheld = disputed(payer, "open")
                assert says.get("cash", 0) == collected(payer) - withheld
                assert says.get("disputed", 0) == withheld
                assert says.get("customer_credit", 0) == -customer_credit(payer.pk)
                assert says.get("receivable", 0) == billed(payer) - kept


def collected(payer: Agency) -> Decimal:
    """Payments that were neither reversed nor returned."""
    rows = Payment.objects.filter(payer=payer, reversed_at=None)
    came = rows.aggregate(sum=Sum("amount"))["sum"]
    went = Refund.objects.filter(payment__payer=payer).aggregate(sum=Sum("amount"))
    kept = (came or Decimal(0)) - (went["sum"] or Decimal(0))
    return kept - disputed(payer, "lost")


def disputed(payer: Agency, state: str) -> Decimal:
    """The sum of the payer's disputes in a state."""
    rows = Dispute.objects.filter(payment__payer=payer, state=state)
    return rows.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


def billed(payer: Agency) -> Decimal:
    """The sum of the payer's documents that count."""
    documents = Document.objects.filter(payer=payer).exclude(state="void")
    return documents.aggregate(sum=Sum("total"))["sum"] or Decimal(0)
