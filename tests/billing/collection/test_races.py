"""Payers, staff and processors acting concurrently."""

from decimal import Decimal
from functools import partial

import pytest

from billing.collection.models.disputes import Dispute
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.refund_requests import request_refund
from billing.collection.verification.money import verify_everything
from billing.invoicing.services.documents import void_document
from billing.processors.domain.port import DisputeUpdate
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment, Refund
from billing.receivables.queries.positions import customer_credit
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import MoreThanCaptured, refund_payment
from billing.receivables.services.refusals import PaymentDiffers
from billing.receivables.services.reversals import reverse_payment
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY_2,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)

pytestmark = pytest.mark.usefixtures("fresh_database", "at_once")


@pytest.fixture
def agency(fresh_database, at_once):
    """With a March invoice of 50.00."""
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    bill(MARCH)
    return agency


def pay(payer, amount, reference="P1", processor="manual"):
    return receive_payment(
        payer=payer, amount=Decimal(amount), currency="USD", processor=processor,
        reference=reference, now=APRIL_2,
    )  # fmt: skip


def refund(payment, amount, reference):
    return refund_payment(
        payment=payment, amount=Decimal(amount), reference=reference, reason="test",
        actor="staff", now=MAY_2,
    )  # fmt: skip


def test_a_payment_is_reversed_once_or_refunded(agency, run_in_threads):
    payment = pay(agency, 50)
    back = partial(
        reverse_payment, payment=payment, reason="test", actor="staff", now=MAY_2
    )

    results = run_in_threads(back, partial(refund, payment, 20, "R1"), back)

    kinds = sorted(type(outcome).__name__ for outcome in results)
    payment.refresh_from_db()
    if payment.reversed_at:
        assert kinds == ["MoreThanCaptured", "Payment", "PaymentAlreadyReversed"]
    else:
        assert kinds == ["PaymentHasReturns", "PaymentHasReturns", "Refund"]
    assert verify_everything().findings == []


def test_payments_of_one_reference_are_one(agency, run_in_threads):
    other = make_agency("OTHER")
    pay_first = partial(pay, agency, 30)

    results = run_in_threads(pay_first, pay_first, pay_first, partial(pay, other, 30))

    assert Payment.objects.count() == 1
    refused = [result for result in results if isinstance(result, Exception)]
    assert {type(result) for result in refused} == {PaymentDiffers}
    assert len(refused) in {1, 3}
    assert verify_everything().findings == []


def test_many_payments_cover_an_invoice_once(agency, run_in_threads):
    run_in_threads(*(partial(pay, agency, 20, f"P{n}") for n in range(6)))

    assert customer_credit(agency.pk) == 6 * 20 - 50
    assert [document.state for document in documents_of(agency)] == ["paid"]
    assert verify_everything().findings == []


def test_void_and_payment_leave_the_books_right(agency, run_in_threads):
    (invoice,) = documents_of(agency)
    void = partial(
        void_document, document_id=invoice.pk, actor="t", reason="test", now=MAY_2
    )

    run_in_threads(partial(pay, agency, 30), void)

    (invoice,) = documents_of(agency)
    assert (invoice.state == "void") == (customer_credit(agency.pk) == 30)
    assert verify_everything().findings == []


def test_payments_while_a_month_is_closed_cover_all_they_can(agency, run_in_threads):
    pay(agency, 60, "P0")

    run_in_threads(
        partial(bill, APRIL), *(partial(pay, agency, 10, f"P{n}") for n in range(1, 4))
    )

    assert [document.state for document in documents_of(agency)] == ["paid", "open"]
    assert customer_credit(agency.pk) == 0
    assert verify_everything().findings == []


def test_parallel_refunds_give_back_no_more_than_was_captured(agency, run_in_threads):
    payment = pay(agency, 80)

    results = run_in_threads(*(partial(refund, payment, 30, f"R{n}") for n in range(6)))

    assert sum(isinstance(outcome, Refund) for outcome in results) == 2
    assert {type(outcome) for outcome in results} == {Refund, MoreThanCaptured}
    assert verify_everything().findings == []


def test_parallel_refunds_of_both_kinds_set_aside_no_more_than_was_captured(
    agency, run_in_threads
):
    add_processor(code="acme", url="https://pay.example.com", actor="t", now=APRIL_2)
    payment = pay(agency, 80, processor="acme")
    ask = partial(
        request_refund, payment=payment, amount=Decimal(10), reason="test",
        actor="staff", now=MAY_2,
    )  # fmt: skip
    hands = [partial(refund, payment, 10, f"R{n}") for n in range(10)]

    results = run_in_threads(*([ask] * 10), *hands)

    assert RefundAttempt.objects.count() + Refund.objects.count() == 8
    assert {type(outcome) for outcome in results} <= {
        RefundAttempt,
        Refund,
        MoreThanCaptured,
    }
    assert verify_everything().findings == []


def test_refunds_and_a_dispute_at_once_take_no_more_than_was_captured(
    agency, run_in_threads
):
    acme = add_processor(
        code="acme", url="https://pay.example.com", actor="t", now=APRIL_2
    )[0]
    payment = pay(agency, 80, processor="acme")
    update = DisputeUpdate("P1", "dp_1", Decimal(50), "USD", "lost")
    dispute = partial(apply_dispute_update, processor=acme, update=update, now=MAY_2)

    results = run_in_threads(
        dispute, dispute, *(partial(refund, payment, 15, f"R{n}") for n in range(6))
    )

    back = 15 * Refund.objects.count() + 50 * Dispute.objects.count()
    assert 65 < back <= 80
    refused = {type(outcome) for outcome in results if isinstance(outcome, Exception)}
    assert refused == {MoreThanCaptured}
    assert verify_everything().findings == []
