"""Disputes: withheld, won or lost, reported in any order and repeatedly."""

import json
from decimal import Decimal
from itertools import permutations

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from billing.collection.models.disputes import Dispute, DisputeChange
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.inbound_events import process_events
from billing.collection.services.refund_requests import refund_due, request_refund
from billing.collection.verification.money import verify_everything
from billing.ledger.models import LedgerTransaction
from billing.ledger.queries import balances_of
from billing.processors.domain.port import DisputeUpdate, DoesNotFit
from billing.receivables.queries.positions import customer_credit
from billing.receivables.queries.statements import account_statement
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import MoreThanCaptured, refund_payment
from billing.receivables.services.refusals import (
    AwaitingPayment,
    BadAmount,
    BadReference,
)
from billing.webhooks.models import OutboxEvent
from tests.billing.collection.answering import post, signed
from tests.billing.collection.processors import FakeProcessor
from tests.build import APRIL_2, MARCH, MAY_2, documents_of
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]
# All orders in which three things may be told, one of them twice.
ORDERS = {
    end: sorted(set(permutations(["inquiry", "open", "open", end, end])))
    for end in ("won", "lost")
}


@pytest.fixture
def dispute(captured, processor, clock):
    """Apply a dispute over 110 of 130, of which 100 cover an invoice."""

    def telling(state, amount="110", **changes):
        fields = {"payment": "ch_9", "reference": "dp_1", "currency": "USD", **changes}
        update = DisputeUpdate(amount=Decimal(amount), state=state, **fields)
        return apply_dispute_update(processor=processor, update=update, now=clock())

    return telling


def state_of(payer):
    return documents_of(payer)[0].state


def event_types(payer):
    events = OutboxEvent.objects.filter(stream__agency=payer, type__startswith="disp")
    return list(events.order_by("sequence").values_list("type", flat=True))


class TestTakeDispute:
    def test_withholds_nothing_for_an_inquiry(self, captured, dispute):
        before = balances_of(captured.payer)

        assert dispute("inquiry").state == "inquiry"

        assert balances_of(captured.payer) == before
        assert event_types(captured.payer) == []

    def test_withholds_the_money_while_it_is_open(self, captured, dispute):
        dispute("inquiry")
        dispute("open")

        assert balances_of(captured.payer) == {
            "cash": Decimal(20),
            "disputed": Decimal(110),
            "customer_credit": Decimal(-30),
            "revenue_seats": Decimal(-100),
        }
        assert state_of(captured.payer) == "paid"
        assert event_types(captured.payer) == ["dispute.opened"]
        for amount in ("20.01", "110"):
            with pytest.raises(MoreThanCaptured):
                ask_back(captured, amount)

    def test_gives_it_back_when_it_is_won(self, captured, dispute):
        before = balances_of(captured.payer)
        dispute("open")

        dispute("won")

        assert balances_of(captured.payer) == before
        assert event_types(captured.payer) == ["dispute.opened", "dispute.won"]
        assert ask_back(captured, 130).state == "created"

    def test_takes_it_from_credit_and_then_from_invoices_when_lost(
        self, captured, dispute
    ):
        dispute("open")

        dispute("lost")

        assert balances_of(captured.payer) == {
            "cash": Decimal(20),
            "receivable": Decimal(80),
            "revenue_seats": Decimal(-100),
        }
        assert state_of(captured.payer) == "open"
        assert event_types(captured.payer) == ["dispute.opened", "dispute.lost"]
        with pytest.raises(MoreThanCaptured):
            ask_back(captured, "20.01")
        assert verify_everything().findings == []

    def test_lets_other_money_cover_what_is_owed_again(self, captured, dispute):
        receive_payment(
            payer=captured.payer, amount=Decimal(200), currency="USD",
            processor="manual", reference="wire", now=MAY_2,
        )  # fmt: skip

        dispute("lost")

        assert state_of(captured.payer) == "paid"
        assert customer_credit(captured.payer_id) == 120
        assert verify_everything().findings == []

    @pytest.mark.parametrize("end", ["won", "lost"])
    def test_ends_alike_in_every_order(self, captured, dispute, end):
        """Orders share their beginnings, so each beginning is played and checked once."""
        results = []

        def play(begun):
            if begun in ORDERS[end]:
                now = Dispute.objects.get()
                kinds = LedgerTransaction.objects.filter(kind__startswith="dispute")
                results.append((
                    now.state,
                    tuple(sorted(balances_of(captured.payer).items())),
                    tuple(kinds.values_list("kind", flat=True)),
                    tuple(event_types(captured.payer)),
                ))  # fmt: skip
                return
            length = len(begun)
            for state in sorted(
                {order[length] for order in ORDERS[end] if order[:length] == begun}
            ):
                with rolled_back():
                    dispute(state)
                    assert verify_everything().findings == [], (*begun, state)
                    play((*begun, state))

        play(())

        assert len(results) == len(ORDERS[end]) == 30
        (result,) = set(results)
        assert result[2] == ("dispute_opened", f"dispute_{end}")
        assert result[3] == ("dispute.opened", f"dispute.{end}")

    def test_won_without_ever_being_open_moves_nothing(self, captured, dispute):
        before = balances_of(captured.payer)
        for state in ("inquiry", "won", "inquiry", "won"):
            dispute(state)

        assert Dispute.objects.get().state == "won"
        assert balances_of(captured.payer) == before
        assert event_types(captured.payer) == []
        assert verify_everything().findings == []

    @pytest.mark.parametrize(("first", "second"), [("won", "lost"), ("lost", "won")])
    def test_refuses_two_ends_of_one_dispute(self, dispute, first, second):
        dispute(first)

        with pytest.raises(DoesNotFit, match=f"is already {first}"):
            dispute(second)

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"amount": "130.01"}, MoreThanCaptured), ({"amount": "0"}, BadAmount),
            ({"currency": "EUR"}, DoesNotFit), ({"currency": "???"}, DoesNotFit),
            ({"payment": "ch_8"}, AwaitingPayment), ({"payment": "x" * 201}, BadReference),
            ({"reference": ""}, BadReference),
        ],
    )  # fmt: skip
    def test_refuses_what_does_not_fit(self, dispute, changes, refusal):
        with pytest.raises(refusal):
            dispute("open", **changes)
        assert not Dispute.objects.exists()

    def test_refuses_another_amount_than_before(self, dispute):
        dispute("open")

        with pytest.raises(
            DoesNotFit, match=r"is over 110\.00 USD .* reports 109\.00 USD"
        ):
            dispute("won", amount="109")

    @pytest.mark.parametrize("end", ["won", "lost"])
    def test_takes_the_amount_of_the_dispute_and_not_of_its_inquiry(
        self, captured, dispute, end
    ):
        """A bank may ask about the whole payment and then take back a part of it."""
        amounts = {"inquiry": "130", "open": "110", end: "110"}
        results = set()
        for order in permutations(amounts):
            with transaction.atomic():
                mark = transaction.savepoint()
                for state in (*order, "inquiry"):
                    dispute(state, amount=amounts[state])
                assert verify_everything().findings == [], order
                balances = tuple(sorted(balances_of(captured.payer).items()))
                results.add((Dispute.objects.get().amount, balances))
                transaction.savepoint_rollback(mark)

        ((amount, balances),) = results
        assert amount == 110
        assert dict(balances)["cash"] == {"won": 130, "lost": 20}[end]

    def test_keeps_the_latest_amount_of_an_inquiry(self, captured, dispute):
        for amount in ("130", "40", "50"):
            dispute("inquiry", amount=amount)

        assert Dispute.objects.get().amount == 50
        assert dispute("won", amount="30").amount == 30  # a warning that was closed
        with pytest.raises(
            DoesNotFit,
            match=r"over 30\.00 USD of payment ch_9, but the update reports 40\.00 USD",
        ):
            dispute("open", amount="40")

    def test_takes_no_more_than_is_left_after_refunds(self, captured, dispute):
        refund_payment(
            payment=captured, amount=Decimal(30), reference="re_1", reason="test",
            actor="staff", now=MAY_2,
        )  # fmt: skip

        with pytest.raises(MoreThanCaptured):
            dispute("lost")
        assert dispute("lost", amount="100").state == "lost"
        with pytest.raises(AwaitingPayment):  # it may be won
            dispute("open", amount="0.01", reference="dp_2")
        with pytest.raises(MoreThanCaptured):
            dispute("lost", amount="0.01", reference="dp_2")

    def test_keeps_a_refund_from_being_sent(self, captured, dispute, clock):
        attempt, fake = ask_back(captured, 30), FakeProcessor()
        dispute("open")

        refund_due(clock=clock, connect=lambda _: fake)

        attempt.refresh_from_db()
        assert (attempt.state, fake.calls) == ("failed", [])

    def test_keeps_its_history(self, dispute):
        for state in ("inquiry", "open", "lost"):
            dispute(state, reason=f"because {state}")

        history = DisputeChange.objects.values_list("state", "reason")
        assert list(history) == [
            (state, f"because {state}") for state in ("inquiry", "open", "lost")
        ]


class TestTheDatabase:
    def test_lets_nobody_change_the_amount_or_the_history(self, dispute):
        dispute("open")

        for change in (
            lambda: Dispute.objects.update(amount=1),
            lambda: DisputeChange.objects.all().delete(),
        ):
            with pytest.raises(ProgrammingError), transaction.atomic():
                change()

    @pytest.mark.parametrize("state", ["inquiry", "won", "lost"])
    def test_keeps_the_amount_of_what_is_no_inquiry(self, dispute, state):
        """Also where a state and the amount would change together."""
        dispute("inquiry")
        Dispute.objects.update(amount=1)
        dispute("open")

        with pytest.raises(ProgrammingError), transaction.atomic():
            Dispute.objects.update(amount=1, state=state)

    @pytest.mark.parametrize(
        "changes",
        [{"state": "inquiry"}, {"opened_at": MAY_2}, {"state": "won"},
         {"state": "lost", "closed_at": MAY_2}],
    )  # fmt: skip
    def test_refuses_what_a_dispute_cannot_become(self, dispute, changes):
        dispute("open")

        with pytest.raises(IntegrityError), transaction.atomic():
            Dispute.objects.update(**changes)

    def test_refuses_a_dispute_at_another_processor(self, captured, other):
        with pytest.raises(IntegrityError, match="processor of its"):
            Dispute.objects.create(
                payment=captured, processor=other, reference="x", amount=1,
                currency="USD", state="inquiry", reported_at=MAY_2,
            )  # fmt: skip


class TestStatement:
    def test_shows_what_was_lost_as_a_chargeback(self, captured, dispute, clock):
        payer = captured.payer
        dispute("open")
        assert kinds(payer, clock) == ["invoice", "payment"]

        dispute("lost")

        assert kinds(payer, clock) == ["invoice", "payment", "chargeback"]
        assert statement(payer, clock).closing == 80


class TestAnswers:
    def tell(self, client, processor, clock, kind, **changes):
        data = {"payment": "ch_9", "reference": "dp_1", "amount": "110",
                "currency": "USD", **changes}  # fmt: skip
        body = json.dumps({"type": f"dispute.{kind}", "data": data}).encode()
        post(client, processor, body, signed(processor, body, clock()))
        process_events(now=clock.forward(minutes=1))
        return ProcessorEvent.objects.latest("pk").state

    def test_come_by_signed_webhook(self, client, captured, processor, clock):
        for kind in ("inquiry", "opened", "lost"):
            assert self.tell(client, processor, clock, kind) == "done"

        assert Dispute.objects.get().state == "lost"

    def test_may_ask_about_another_amount_than_is_taken_back(
        self, client, captured, processor, clock
    ):
        amounts = {"inquiry": "130", "opened": "110", "lost": "110"}
        for kind, amount in amounts.items():
            state = self.tell(client, processor, clock, kind, amount=amount)
            assert state == "done"

        assert Dispute.objects.get().amount == 110
        assert verify_everything().findings == []

    @pytest.mark.parametrize(
        ("kind", "changes"),
        [("opened", {"payment": "a\0"}), ("opened", {"amount": "131"}),
         ("withdrawn", {}), ("lost", {"reference": None})],
    )  # fmt: skip
    def test_that_do_not_fit_are_set_apart(
        self, client, captured, processor, clock, kind, changes
    ):
        assert self.tell(client, processor, clock, kind, **changes) == "quarantined"
        assert not Dispute.objects.exists()


def ask_back(payment, amount):
    return request_refund(
        payment=payment, amount=Decimal(amount), reason="test", actor="staff",
        now=APRIL_2,
    )  # fmt: skip


def statement(payer, clock):
    return account_statement(
        payer=payer, starts_on=MARCH, ends_on=clock.forward(days=2).date()
    )


def kinds(payer, clock):
    return [movement.kind for movement in statement(payer, clock).movements]
