"""Attempts whose outcome is never reported are closed by staff."""

from decimal import Decimal

import pytest

from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import make_due_calls
from billing.collection.services.manual_resolution import (
    NotStuck,
    ReferenceNotAllowed,
    close_attempt,
)
from billing.collection.services.refund_requests import REFUNDS, request_refund
from billing.collection.verification.money import verify_everything
from billing.receivables.models import Payment, Refund
from billing.receivables.services.refusals import BadReference
from core.errors import ReasonMissing
from tests.billing.collection.processors import FakeProcessor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


@pytest.fixture
def close(clock):
    """Close an attempt by hand."""

    def closing(attempt, outcome="failed", reason="seen there", **changes):
        arguments = {"actor": "staff", "now": clock(), **changes}
        close_attempt(attempt=attempt, outcome=outcome, reason=reason, **arguments)
        attempt.refresh_from_db()
        return attempt

    return closing


@pytest.fixture
def stuck(charge, clock):
    """An attempt that was sent a day ago and has no outcome."""
    attempt = charge()
    lose(CHARGES, clock)
    attempt.refresh_from_db()
    return attempt


def lose(calls, clock):
    fake = FakeProcessor(faults=lambda: "lost")
    make_due_calls(calls, clock=clock, connect=lambda _: fake)
    clock.forward(hours=24)


class TestCloseAttempt:
    def test_records_the_payment_of_a_success_and_who_said_so(
        self, stuck, close, invoice
    ):
        close(stuck, "succeeded", reference="ch_1")

        invoice.refresh_from_db()
        assert (stuck.state, invoice.state) == ("succeeded", "paid")
        assert Payment.objects.get().reference == "ch_1"
        last = stuck.changes.last()
        assert (last.state, last.error) == ("succeeded", "by staff: seen there")
        assert verify_everything().findings == []

    def test_lets_the_invoice_be_charged_again_after_a_failure(
        self, stuck, close, charge
    ):
        assert close(stuck).last_error == "by staff: seen there"

        assert charge().state == "created"

    def test_gives_an_amount_back_that_was_set_aside(self, captured, close, clock):
        attempt = ask_back(captured, clock)
        lose(REFUNDS, clock)

        assert close(attempt).state == "failed"

        assert ask_back(captured, clock).state == "created"

    def test_records_the_refund_of_a_success(self, captured, close, clock):
        attempt = ask_back(captured, clock)
        lose(REFUNDS, clock)

        assert close(attempt, "succeeded", reference="re_1").state == "succeeded"

        assert Refund.objects.get().reference == "re_1"
        assert verify_everything().findings == []

    def test_waits_a_day_for_the_processor(self, stuck, close, clock):
        clock.forward(minutes=-1)

        with pytest.raises(NotStuck):
            close(stuck)

    def test_leaves_alone_what_was_never_sent_or_has_ended(
        self, charge, stuck, close, clock
    ):
        close(stuck)
        with pytest.raises(NotStuck):
            close(stuck, "succeeded", reference="ch_1")

        new = charge()
        clock.forward(days=2)
        with pytest.raises(NotStuck):
            close(new)

    def test_refuses_a_success_without_and_a_failure_with_a_reference(
        self, stuck, close
    ):
        with pytest.raises(BadReference):
            close(stuck, "succeeded")
        with pytest.raises(ReferenceNotAllowed):
            close(stuck, reference="ch_1")
        with pytest.raises(ReasonMissing):
            close(stuck, reason="")
        stuck.refresh_from_db()
        assert stuck.state == "unknown"


def ask_back(payment, clock) -> RefundAttempt:
    return request_refund(
        payment=payment, amount=Decimal(130), reason="test", actor="staff",
        now=clock(),
    )  # fmt: skip
