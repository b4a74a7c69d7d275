"""Reversing bank transfers and checks that were recorded by mistake."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.collection.verification.money import verify_everything
from billing.dunning.models import DunningCase
from billing.dunning.services.sweep import step_due
from billing.ledger.queries import balances_of
from billing.mail.models import Mail
from billing.receivables.models import Payment
from billing.receivables.queries.positions import customer_credit
from billing.receivables.queries.statements import account_statement
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import MoreThanCaptured, refund_payment
from billing.receivables.services.refusals import PaymentWasReversed
from billing.receivables.services.reversals import (
    PaymentAlreadyReversed,
    PaymentHasReturns,
    PaymentNotManual,
    reverse_payment,
)
from billing.webhooks.models import OutboxEvent
from core.errors import ReasonMissing
from tests.build import APRIL, APRIL_2, MARCH, MAY_2, make_agency

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


def record(payer, amount, reference="wire 1", processor="manual"):
    return receive_payment(
        payer=payer, amount=Decimal(amount), currency="USD", processor=processor,
        reference=reference, now=APRIL_2,
    )  # fmt: skip


def reverse(payment, reason="500 was typed for 50"):
    return reverse_payment(payment=payment, reason=reason, actor="staff", now=MAY_2)


@pytest.fixture
def payment(invoice):
    """500.00 recorded for a transfer of 50.00; the invoice is over 100.00."""
    return record(invoice.payer, 500)


class TestReversePayment:
    def test_undoes_all_that_the_payment_did(self, invoice, payment):
        reverse(payment)

        invoice.refresh_from_db()
        assert invoice.state == "open"
        assert customer_credit(invoice.payer_id) == 0
        assert balances_of(invoice.payer) == {
            "receivable": Decimal(100), "revenue_seats": Decimal(-100),
        }  # fmt: skip
        payment.refresh_from_db()
        assert (payment.reversed_by, payment.reversal_reason) == (
            "staff", "500 was typed for 50",
        )  # fmt: skip
        assert verify_everything().findings == []

    def test_tells_of_a_reversal_and_of_no_refund(self, payment):
        reverse(payment)

        events = OutboxEvent.objects.filter(stream__agency=payment.payer)
        kinds = list(events.order_by("sequence").values_list("type", flat=True))
        assert kinds[-2:] == ["invoice.reopened", "payment.reversed"]
        assert not any("refund" in kind for kind in kinds)
        assert not Mail.objects.exists()

    def test_lets_the_same_reference_be_recorded_as_it_should_have_been(
        self, invoice, payment
    ):
        reverse(payment)

        right = record(invoice.payer, 50)

        assert right.pk != payment.pk
        assert balances_of(invoice.payer)["receivable"] == 50
        assert verify_everything().findings == []

    def test_refuses_the_repeated_request_of_what_was_reversed(self, invoice, payment):
        reverse(payment)

        with pytest.raises(PaymentWasReversed, match="another reference"):
            record(invoice.payer, 500)

    def test_lets_other_money_cover_the_invoice(self, invoice, payment):
        record(invoice.payer, 70, "wire 2")

        reverse(payment)

        assert balances_of(invoice.payer)["receivable"] == 30
        assert verify_everything().findings == []

    def test_is_done_once(self, payment):
        reverse(payment)

        with pytest.raises(PaymentAlreadyReversed, match="on 2026-05-02 by staff"):
            reverse(payment)

    def test_asks_why(self, payment):
        with pytest.raises(ReasonMissing):
            reverse(payment, " ")

    def test_refuses_money_of_a_processor(self, captured):
        with pytest.raises(PaymentNotManual, match="came in through acme"):
            reverse(captured)

    def test_refuses_what_was_refunded_in_part(self, payment):
        refund_payment(
            payment=payment, amount=Decimal(20), reference="R1", reason="test",
            actor="staff", now=APRIL_2,
        )  # fmt: skip

        with pytest.raises(
            PaymentHasReturns, match=r"20\.00 USD of payment manual wire 1"
        ):
            reverse(payment)
        assert verify_everything().findings == []

    def test_leaves_nothing_to_refund(self, payment):
        reverse(payment)

        with pytest.raises(MoreThanCaptured):
            refund_payment(
                payment=payment, amount=Decimal(1), reference="R1", reason="test",
                actor="staff", now=MAY_2,
            )  # fmt: skip

    def test_makes_a_late_invoice_a_case_of_dunning(self, invoice, payment):
        reverse(payment)

        step_due(now=MAY_2)

        assert DunningCase.objects.get().payer == invoice.payer


class TestStatement:
    def test_shows_the_payment_and_its_reversal(self, invoice, payment):
        reverse(payment)

        statement = account_statement(
            payer=invoice.payer, starts_on=MARCH, ends_on=MAY_2.date().replace(day=9)
        )

        rows = [
            (movement.kind, movement.amount, movement.balance)
            for movement in statement.movements
        ]
        assert rows == [
            ("invoice", Decimal(100), Decimal(100)),
            ("payment", Decimal(-500), Decimal(-400)),
            ("reversal", Decimal(500), Decimal(100)),
        ]
        before = account_statement(
            payer=invoice.payer, starts_on=MARCH, ends_on=APRIL.replace(day=30)
        )
        assert before.closing == -400


class TestTheDatabase:
    @pytest.mark.parametrize(
        "changes",
        [
            {"reversed_at": MAY_2},
            {"reversed_at": MAY_2, "reversed_by": "x", "reversal_reason": "x"},
        ],
    )
    def test_refuses_a_reversal_without_reason_or_of_what_covers_something(
        self, payment, changes
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Payment.objects.update(**changes)

    def test_lets_nobody_undo_a_reversal(self, payment):
        reverse(payment)

        with pytest.raises(IntegrityError), transaction.atomic():
            Payment.objects.update(reversed_at=None, reversed_by="", reversal_reason="")

    def test_covers_nothing_by_what_is_reversed(self, invoice, payment):
        reverse(payment)

        with pytest.raises(IntegrityError), transaction.atomic():
            payment.allocations.create(
                document=invoice, amount=Decimal(1), recorded_at=MAY_2
            )


def test_a_reference_may_have_been_another_payers(payment):
    """The transfer was recorded for the wrong agency."""
    reverse(payment)

    record(make_agency("OTHER"), 500)

    assert Payment.objects.filter(reversed_at=None).count() == 1
    assert verify_everything().findings == []
