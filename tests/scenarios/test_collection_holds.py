"""A document that was altered is never charged, whichever way the charge would go."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.services.unresolved import report_unresolved
from billing.collection.verification.passes import verify_due
from billing.dunning.models import DunningCase
from billing.dunning.services.sweep import step_due
from billing.invoicing.models.verification import VerificationFinding
from billing.invoicing.services.documents import void_document
from billing.invoicing.verification.recording import accept_finding
from billing.mail.models import Mail
from billing.receivables.services.payments import receive_payment
from billing.webhooks.models import OutboxEvent
from seats.api_keys.services import create_key
from seats.models import User
from tests.build import APRIL, APRIL_2, bill, documents_of
from tests.scenarios.altering import (
    LOWERED,
    RAISED,
    acme,
    alter,
    boss,
    clock,
    db_unblocked,
    fake,
    invoice,
    payer,
    sweep,
    unpaid,
)
from tests.staff import confirm

__all__ = [
    "acme",
    "boss",
    "clock",
    "db_unblocked",
    "fake",
    "invoice",
    "payer",
    "sweep",
    "unpaid",
]

# What is altered of the one invoice, or of what it was made from.
CHANGES = {
    "its total": ("billing_document", RAISED),
    "its lines": (
        "billing_documentline",
        "amount_now = amount_now + 1, amount = amount + 1",
    ),
    "its hash": ("billing_document", "hash = repeat('0', 64)"),
    "its address": ("billing_document", "parties = '{{}}'"),
    "the head of its chain": ("billing_billingaccount", "last_hash = repeat('0', 64)"),
}

# What is altered of the 30.00 that cover a part of it, and of how that is posted.
COVERINGS = {
    "less is covered": ("billing_allocation", "amount = amount - 20"),
    "more was posted": ("billing_ledgerentry", "amount = amount * 2"),
}


def pay(invoice, amount, clock):
    receive_payment(
        payer=invoice.payer, amount=Decimal(amount), currency="USD",
        processor="manual", reference=f"wire {amount}", now=clock(),
    )  # fmt: skip


def ask_for_charge(client, invoice):
    _, secret = create_key(
        agency=None, scopes=["payments:write"], actor="test", now=APRIL_2
    )
    return client.post(
        "/api/v1/payment-attempts",
        {"invoice": str(invoice.public_id), "processor": "acme"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )


class TestAutopay:
    @pytest.mark.parametrize("name", CHANGES)
    def test_what_was_altered_a_second_before_is_not_charged(
        self, boss, invoice, fake, sweep, name
    ):
        table, change = CHANGES[name]
        alter(change.format(), table)

        sweep()

        assert fake.journal == []
        finding = VerificationFinding.objects.earliest("pk")
        assert (finding.agency, finding.document) == (invoice.payer, invoice)
        mail = Mail.objects.get(template="books_differ")
        assert mail.to == [boss.email]
        assert "SUNRISE" in mail.text
        event = OutboxEvent.objects.get(type="books.differ")
        assert event.payload["agencies"] == ["SUNRISE"]

    def test_what_is_as_it_was_issued_is_charged(self, invoice, fake, sweep):
        sweep()

        assert [charged.amount for charged in fake.journal] == [100]
        assert not VerificationFinding.objects.exists()

    def test_goes_on_when_it_is_restored_and_a_pass_is_clean(
        self, invoice, fake, sweep, clock
    ):
        alter(RAISED)
        sweep()
        alter(LOWERED)
        sweep(minutes=6)
        assert fake.journal == []  # nobody has looked since

        verify_due(clock=clock)
        sweep(minutes=6)

        assert [charged.amount for charged in fake.journal] == [100]
        findings = VerificationFinding.objects.all()
        assert {finding.state for finding in findings} == {"resolved"}
        assert OutboxEvent.objects.filter(type="books.agree").count() == 1

    def test_a_charge_that_nobody_knows_the_end_of_is_not_sent_again(
        self, invoice, fake, sweep
    ):
        faults = iter(["lost"])
        fake.faults = lambda: next(faults, "ok")
        sweep()
        alter(RAISED)

        sweep(minutes=6)
        sweep(minutes=66)

        assert fake.journal == []
        assert PaymentAttempt.objects.get().state == "unknown"

    def test_a_document_on_hold_can_be_voided(self, invoice, fake, sweep):
        alter("due_at = due_at + interval '1 day'")
        sweep()

        void_document(document_id=invoice.pk, actor="boss", reason="wrong", now=APRIL_2)
        sweep(minutes=6)

        assert PaymentAttempt.objects.get().state == "failed"
        assert fake.journal == []


class TestAccepting:
    @pytest.fixture
    def finding(self, invoice, sweep):
        alter(RAISED)
        sweep()
        return VerificationFinding.objects.get(code="hash_differs")

    @pytest.fixture
    def accept(self, client, invoice, db_unblocked):
        """As staff with these rights, in the admin: accept every finding."""

        def go(*rights, reason="Checked with the customer."):
            user = User.objects.create_user(
                f"s{len(rights)}@example.com", "x" * 12, is_staff=True
            )
            user.user_permissions.set(Permission.objects.filter(codename__in=rights))
            client.force_login(user)
            ids = list(VerificationFinding.objects.values_list("pk", flat=True))
            return confirm(
                client,
                reverse("admin:billing_verificationfinding_changelist"),
                {"action": "accept", "_selected_action": ids, "reason": reason},
            )

        return go

    def test_staff_with_the_right_let_it_be_charged(self, finding, accept, fake, sweep):
        accept("view_verificationfinding", "accept_verificationfinding")

        sweep(minutes=6)

        assert len(fake.journal) == 1
        finding.refresh_from_db()
        assert (finding.state, finding.accepted_by, finding.accepted_reason) == (
            "accepted", "s2@example.com", "Checked with the customer.",
        )  # fmt: skip

    def test_staff_who_may_only_look_cannot(self, finding, accept, fake, sweep):
        accept("view_verificationfinding")

        sweep(minutes=6)

        assert fake.journal == []
        finding.refresh_from_db()
        assert finding.state == "open"

    def test_needs_a_reason(self, finding, accept):
        answer = accept(
            "view_verificationfinding", "accept_verificationfinding", reason=""
        )

        assert b"This field is required" in answer.content
        finding.refresh_from_db()
        assert finding.state == "open"

    def test_covers_no_later_change(self, finding, accept, fake, sweep, clock):
        accept("view_verificationfinding", "accept_verificationfinding")
        alter(RAISED)

        sweep(minutes=6)

        assert fake.journal == []
        newest = VerificationFinding.objects.filter(code="hash_differs").latest("pk")
        assert (newest.state, newest.pk != finding.pk) == ("open", True)

    def test_holds_through_the_passes_that_follow(
        self, finding, accept, fake, sweep, clock
    ):
        accept("view_verificationfinding", "accept_verificationfinding")
        clock.forward(hours=25)
        verify_due(clock=clock)

        finding.refresh_from_db()
        assert finding.state == "accepted"


class TestEveryOtherWay:
    def test_the_api_refuses_a_charge_and_keeps_the_finding(self, client, unpaid):
        alter(RAISED)

        answer = ask_for_charge(client, unpaid)

        assert (answer.status_code, answer.json()["code"]) == (
            409, "collection_on_hold",
        )  # fmt: skip
        assert not PaymentAttempt.objects.exists()
        assert VerificationFinding.objects.filter(document=unpaid).exists()

    @pytest.mark.parametrize("name", COVERINGS)
    def test_the_api_refuses_a_charge_where_what_covers_it_was_altered(
        self, client, unpaid, clock, name
    ):
        """Of 100.00 there are 30.00 paid; the rest alone may ever be charged."""
        pay(unpaid, 30, clock)
        table, change = COVERINGS[name]
        alter(change, table)

        answer = ask_for_charge(client, unpaid)

        assert (answer.status_code, answer.json()["code"]) == (
            409, "collection_on_hold",
        )  # fmt: skip
        assert not PaymentAttempt.objects.exists()
        finding = VerificationFinding.objects.get()
        assert (finding.code, finding.agency) == ("receivable_differs", unpaid.payer)

    def test_what_is_still_owed_is_charged_once_that_is_accepted(
        self, client, unpaid, clock
    ):
        pay(unpaid, 30, clock)
        alter("amount = amount - 10", "billing_allocation")
        ask_for_charge(client, unpaid)
        verify_due(clock=clock)
        for finding in VerificationFinding.objects.filter(resolved_at=None):
            accept_finding(finding=finding, reason="known", actor="boss", now=clock())
        pay(unpaid, 5, clock)  # takes the 10.00 along; the difference stays the same

        answer = ask_for_charge(client, unpaid)

        assert answer.status_code == 201
        assert PaymentAttempt.objects.get().amount == 65

    def test_the_admin_refuses_a_charge(self, client, boss, unpaid, acme):
        client.force_login(boss)
        alter(RAISED)

        answer = client.post(
            reverse("admin:billing_paymentattempt_add"),
            {"invoice": unpaid.pk, "processor": acme.pk},
        )

        assert b"on hold while its content is checked" in answer.content
        assert not PaymentAttempt.objects.exists()

    def test_dunning_rests_and_goes_on_afterwards(self, unpaid, fake, sweep, clock):
        clock.now = unpaid.due_at + timedelta(days=1)
        step_due(now=clock())
        assert DunningCase.objects.get().state == "retrying"
        alter(RAISED)

        for _ in range(3):
            step_due(now=clock.forward(days=10))

        assert not PaymentAttempt.objects.exists()
        assert DunningCase.objects.get().state == "retrying"
        assert VerificationFinding.objects.filter(document=unpaid).exists()
        alter(LOWERED)
        verify_due(clock=clock)
        step_due(now=clock())
        sweep()
        assert [charged.amount for charged in fake.journal] == [100]

    def test_dunning_keeps_what_it_finds_of_the_next_invoice(
        self, unpaid, fake, sweep, clock
    ):
        """The oldest is not charged again, as nobody knows whether it was."""
        request_charge(invoice=unpaid, actor="test", now=clock())
        fake.faults, fake.blind = lambda: "lost", True
        sweep()
        report_unresolved(now=clock.forward(hours=25))
        bill(APRIL)
        april = documents_of(unpaid.payer)[1]
        assert april.due_at
        clock.now = april.due_at + timedelta(days=1)
        step_due(now=clock())
        alter(f"{RAISED} WHERE id = {april.pk}")

        for _ in range(3):
            step_due(now=clock.forward(days=4))

        assert not PaymentAttempt.objects.filter(invoice=april).exists()
        assert VerificationFinding.objects.filter(document=april).exists()

    def test_money_that_comes_in_anyway_is_recorded(self, unpaid, sweep, clock):
        alter(RAISED)
        verify_due(clock=clock)

        receive_payment(
            payer=unpaid.payer, amount=Decimal(100), currency="USD",
            processor="manual", reference="wire", now=clock(),
        )  # fmt: skip

        assert unpaid.covered_by.get().amount == 100
