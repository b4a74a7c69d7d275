"""Refunds above the limit wait for a second person."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from billing.collection.models.approvals import RefundApproval
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.refund_approvals import (
    AlreadyDecided,
    OwnRefund,
    approve_refund,
    decline_refund,
    request_approval,
)
from billing.collection.services.refund_requests import (
    RefundNeedsApproval,
    start_refund,
)
from billing.processors.services.processors import add_processor
from billing.receivables.models import Refund
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import MoreThanCaptured
from seats.api_keys.services import create_key
from tests.build import APRIL_2, make_agency
from tests.staff import confirm, confirmation, log_in, make_staff

pytestmark = pytest.mark.django_db
PAYMENTS = reverse("admin:billing_payment_changelist")
APPROVALS = reverse("admin:billing_refundapproval_changelist")
NOW = datetime(2026, 4, 3, 12, tzinfo=UTC)


@pytest.fixture
def payment(db):
    add_processor(code="acme", url="https://pay.example.com", actor="t", now=APRIL_2)
    return receive_payment(
        payer=make_agency(), amount=Decimal(2000), currency="USD", processor="acme",
        reference="ch_1", now=APRIL_2,
    )  # fmt: skip


@pytest.fixture
def ana():
    return make_staff("ana@example.com", job="billing")


@pytest.fixture
def ben():
    return make_staff("ben@example.com", job="billing")


def start(payment, amount, **more):
    return start_refund(
        payment=payment, amount=Decimal(amount), actor="test", now=NOW,
        **{"reference": "", "reason": "too much", **more},
    )  # fmt: skip


def request(payment, user, amount="500.01", **more):
    return request_approval(
        payment=payment, amount=Decimal(amount), reason="too much", user=user, now=NOW,
        **more,
    )  # fmt: skip


class TestStartRefund:
    def test_needs_nobody_up_to_the_limit(self, payment):
        assert start(payment, "500.00").state == "created"

    def test_is_refused_above_the_limit(self, payment):
        with pytest.raises(RefundNeedsApproval, match=r"500\.00 USD"):
            start(payment, "500.01")
        assert not RefundAttempt.objects.exists()

    def test_counts_earlier_refunds_of_the_payment(self, payment):
        start(payment, 300)

        with pytest.raises(RefundNeedsApproval):
            start(payment, 300)

    def test_gives_the_first_again_for_its_reference(self, payment):
        first = start(payment, 400, reference="r-1")

        assert start(payment, 400, reference="r-1") == first

    def test_follows_the_setting(self, payment, settings):
        settings.CHARGES = {**settings.CHARGES, "REFUND_LIMIT": Decimal(2000)}

        assert start(payment, 2000).amount == 2000

    def test_is_refused_over_the_api_too(self, payment, client):
        _, secret = create_key(
            agency=None, scopes=["payments:write"], actor="test", now=APRIL_2
        )
        answer = client.post(
            f"/api/v1/payments/{payment.public_id}/refunds",
            {"amount": "501.00", "reason": "too much", "reference": "r"},
            content_type="application/json",
            headers={"authorization": f"Bearer {secret}"},
        )

        assert answer.status_code == 403
        assert answer.json()["code"] == "refund_needs_approval"
        assert not RefundAttempt.objects.exists()


class TestApproveRefund:
    def test_starts_the_refund_and_names_both(self, payment, ana, ben):
        approval = request(payment, ana)
        assert not RefundAttempt.objects.exists()

        done = approve_refund(approval=approval, user=ben, reason="seen", now=NOW)

        attempt = RefundAttempt.objects.get()
        assert (done.state, done.attempt) == ("approved", attempt)
        assert attempt.amount == Decimal("500.01")
        assert attempt.actor == "ana@example.com, approved by ben@example.com"

    def test_records_a_refund_made_by_hand(self, ana, ben):
        payment = receive_payment(
            payer=make_agency(), amount=Decimal(900), currency="USD",
            processor="manual", reference="bank", now=APRIL_2,
        )  # fmt: skip
        approval = request(payment, ana, "900", reference="wire 7")

        done = approve_refund(approval=approval, user=ben, reason="seen", now=NOW)

        assert done.attempt is None
        assert Refund.objects.get().reference == "wire 7"

    def test_is_refused_to_who_requested_it(self, payment, ana):
        approval = request(payment, ana)

        with pytest.raises(OwnRefund):
            approve_refund(approval=approval, user=ana, reason="mine", now=NOW)
        assert not RefundAttempt.objects.exists()

    def test_is_refused_once_it_is_decided(self, payment, ana, ben):
        approval = request(payment, ana)
        decline_refund(approval=approval, user=ana, reason="a mistake", now=NOW)

        with pytest.raises(AlreadyDecided, match=r"declined by ana@example\.com"):
            approve_refund(approval=approval, user=ben, reason="seen", now=NOW)
        assert not RefundAttempt.objects.exists()

    def test_refunds_nothing_that_is_gone_by_then(self, payment, ana, ben):
        approval = request(payment, ana, "1900")
        start(payment, 400)

        with pytest.raises(MoreThanCaptured):
            approve_refund(approval=approval, user=ben, reason="seen", now=NOW)
        approval.refresh_from_db()
        assert approval.state == "requested"

    def test_starts_one_refund_however_often_it_is_repeated(self, payment, ana, ben):
        approval = request(payment, ana)
        approve_refund(approval=approval, user=ben, reason="seen", now=NOW)

        with pytest.raises(AlreadyDecided):
            approve_refund(approval=approval, user=ben, reason="seen", now=NOW)
        assert RefundAttempt.objects.count() == 1


class TestTheDatabase:
    def refuses(self, approval, constraint, **changes):
        rows = RefundApproval.objects.filter(pk=approval.pk)
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            rows.update(**changes)

    def test_refuses_an_approval_of_ones_own(self, payment, ana):
        self.refuses(
            request(payment, ana), "nobody_approves_a_refund_of_their_own",
            state="approved", decided_by=ana, decided_at=NOW, decision="mine",
        )  # fmt: skip

    def test_refuses_a_decision_without_a_reason(self, payment, ana, ben):
        self.refuses(
            request(payment, ana), "a_decided_refund_approval_says_by_whom_and_why",
            state="approved", decided_by=ben, decided_at=NOW,
        )  # fmt: skip

    def test_refuses_an_attempt_before_approval(self, payment, ana):
        approval = request(payment, ana)
        attempt = start(payment, 10)

        self.refuses(approval, "refund_approval_is_decided_once", attempt=attempt)

    def test_refuses_a_second_decision(self, payment, ana, ben):
        approval = request(payment, ana)
        decline_refund(approval=approval, user=ben, reason="no", now=NOW)

        self.refuses(approval, "refund_approval_is_decided_once", state="approved")

    def test_refuses_more_than_the_payment(self, payment, ana):
        with pytest.raises(IntegrityError, match="refund_approval_begins"):
            RefundApproval.objects.create(
                payment=payment, amount=2001, currency="USD", reason="x",
                requested_by=ana, requested_at=NOW,
            )  # fmt: skip


class TestTheAdmin:
    def refund(self, client, payment, amount):
        content = {"action": "refund", "_selected_action": [payment.pk],
                   "amount": amount, "reason": "billed twice"}  # fmt: skip
        return confirm(client, PAYMENTS, content).content.decode()

    def decide(self, client, action, approval, **more):
        content = {"action": action, "_selected_action": [approval.pk], **more}
        return confirm(client, APPROVALS, content).content.decode()

    def test_asks_another_person_and_then_refunds(self, payment, ana, ben):
        text = self.refund(log_in(ana), payment, "600")

        assert "waits for the approval of another person" in text
        approval = RefundApproval.objects.get()
        assert not RefundAttempt.objects.exists()
        today = log_in(ben).get("/admin/").content.decode()
        assert "Refunds to approve" in today
        assert "1 approved" in self.decide(log_in(ben), "approve", approval)
        assert RefundAttempt.objects.get().amount == 600

    def test_refunds_small_amounts_at_once(self, payment, ana):
        self.refund(log_in(ana), payment, "60")

        assert RefundAttempt.objects.get().amount == 60
        assert not RefundApproval.objects.exists()

    def test_offers_nothing_to_who_requested_it(self, payment, ana):
        approval = request(payment, ana)
        client = log_in(ana)
        content = {"action": "approve", "_selected_action": [approval.pk]}

        page = client.post(APPROVALS, content).content.decode()
        client.post(APPROVALS, confirmation(client, APPROVALS, content))

        assert "another person approves it" in page
        assert "There is nothing to confirm" in page
        approval.refresh_from_db()
        assert approval.state == "requested"

    def test_declines_with_a_reason(self, payment, ana, ben):
        approval = request(payment, ana)

        self.decide(log_in(ben), "decline", approval, reason="not owed")

        approval.refresh_from_db()
        assert (approval.state, approval.decision) == ("declined", "not owed")

    def test_is_closed_to_support(self, payment, ana):
        approval = request(payment, ana)
        support = log_in(make_staff("s@example.com", job="support"))

        assert support.get(APPROVALS).status_code == 403
        content = {"action": "approve", "_selected_action": [approval.pk]}
        assert support.post(APPROVALS, content).status_code == 403
