"""Recording refunds."""

from decimal import Decimal

import pytest
from django.db import IntegrityError

from billing.collection.verification.money import verify_everything
from billing.receivables.models import Refund
from billing.receivables.queries.positions import customer_credit
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import (
    MoreThanCaptured,
    RefundDiffers,
    refund_payment,
)
from billing.receivables.services.refusals import BadAmount
from billing.webhooks.models import OutboxEvent
from core.errors import ReasonMissing
from tests.build import APRIL_2, MAY_2, documents_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


@pytest.fixture
def payment(invoice):
    """130.00 for an invoice of 100.00."""
    return pay(invoice.payer, 130)


def pay(payer, amount, reference="P1"):
    return receive_payment(
        payer=payer, amount=Decimal(amount), currency="USD", processor="manual",
        reference=reference, now=APRIL_2,
    )  # fmt: skip


def refund(payment, amount, reference="R1", reason="test"):
    return refund_payment(
        payment=payment, amount=Decimal(amount), reference=reference, reason=reason,
        actor="staff", now=MAY_2,
    )  # fmt: skip


def state_of(payer):
    return documents_of(payer)[0].state


class TestRefundPayment:
    def test_takes_the_credit_first(self, payment):
        refund(payment, 30)

        assert state_of(payment.payer) == "paid"
        assert customer_credit(payment.payer_id) == 0

    def test_opens_the_invoice_that_is_no_longer_covered(self, payment):
        refund(payment, 31)

        assert state_of(payment.payer) == "open"
        kinds = list(OutboxEvent.objects.order_by("pk").values_list("type", flat=True))
        assert kinds[-2:] == ["invoice.reopened", "payment.refunded"]
        assert verify_everything().findings == []

    def test_leaves_other_money_to_cover_it(self, payment):
        pay(payment.payer, 100, "P2")

        refund(payment, 130)

        assert state_of(payment.payer) == "paid"
        assert customer_credit(payment.payer_id) == 0

    def test_may_be_all_of_it_and_no_more(self, payment):
        refund(payment, 100)

        with pytest.raises(MoreThanCaptured):
            refund(payment, "30.01", "R2")
        refund(payment, 30, "R2")
        with pytest.raises(MoreThanCaptured):
            refund(payment, "0.01", "R3")

    def test_repeated_is_the_same_refund(self, payment):
        assert refund(payment, 20) == refund(payment, 20)
        assert customer_credit(payment.payer_id) == 10

    def test_refuses_a_known_reference_with_another_amount(self, payment):
        refund(payment, 20)

        with pytest.raises(RefundDiffers):
            refund(payment, 21)

    def test_refuses_no_reason_and_no_amount(self, payment):
        with pytest.raises(ReasonMissing):
            refund(payment, 20, reason="")
        with pytest.raises(BadAmount):
            refund(payment, 0)

    def test_above_what_was_captured_is_refused_by_the_database_too(self, payment):
        with pytest.raises(IntegrityError, match="cannot cover"):
            Refund.objects.create(
                payment=payment, amount=31, reference="X", reason="x", actor="x",
                refunded_at=MAY_2,
            )  # fmt: skip
