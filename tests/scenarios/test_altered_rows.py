"""Attempts and documents that the owner's hands altered, and who acts on them next."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.collection.services.attempts import request_charge
from billing.collection.services.methods import save_method
from billing.collection.verification.passes import verify_due
from billing.invoicing.models.documents import Document
from billing.invoicing.models.verification import VerificationFinding
from billing.ledger.models import LedgerTransaction
from billing.processors.models import PaymentProcessor
from billing.receivables.services.payments import receive_payment
from tests.build import APRIL_2, MARCH, bill, documents_of, make_agency
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

# What is altered of an attempt over 100.00 that is not sent yet.
ATTEMPTS = {
    "more": "amount = 900",
    "less": "amount = 99.99",
    "another currency": "currency = 'EUR'",
    "the method of another payer": (
        "method_id = (SELECT max(id) FROM billing_paymentmethod)"
    ),
}
# What is altered of an issued invoice over 100.00.
DOCUMENTS = {
    "its total": ("billing_document", RAISED),
    "its tax": ("billing_document", "total = total + 900, tax = tax + 900"),
    "its lines": (
        "billing_documentline",
        "amount_now = amount_now + 1, amount = amount + 1",
    ),
}


def make_other_method():
    save_method(
        payer=make_agency("OTHER"), processor=PaymentProcessor.objects.get(),
        label="card", actor="test", now=APRIL_2,
    )  # fmt: skip


def pay(invoice, amount, clock):
    receive_payment(
        payer=invoice.payer, amount=Decimal(amount), currency="USD",
        processor="manual", reference=f"wire {amount}", now=clock(),
    )  # fmt: skip


class TestAttempts:
    @pytest.mark.parametrize("name", ATTEMPTS)
    def test_that_were_altered_before_they_are_sent_are_not(
        self, invoice, fake, sweep, clock, name
    ):
        make_other_method()
        alter(ATTEMPTS[name], "billing_paymentattempt")

        sweep()

        assert fake.journal == []
        finding = VerificationFinding.objects.get()
        assert (finding.code, finding.document) == ("attempt_differs", invoice)
        clock.forward(hours=25)
        verify_due(clock=clock)
        sweep(minutes=6)
        assert fake.journal == []
        assert VerificationFinding.objects.get().state == "open"

    def test_over_what_was_owed_when_they_were_asked_for_are(
        self, unpaid, fake, sweep, clock
    ):
        """A payment that comes in before an attempt is sent is no alteration."""
        pay(unpaid, 30, clock)
        clock.forward(hours=1)
        request_charge(invoice=unpaid, actor="test", now=clock())
        pay(unpaid, 5, clock)

        sweep()

        assert [charged.amount for charged in fake.journal] == [70]
        assert not VerificationFinding.objects.exists()

    def test_over_what_was_covered_long_before_are_not(
        self, unpaid, fake, sweep, clock
    ):
        pay(unpaid, 30, clock)
        clock.forward(hours=1)
        request_charge(invoice=unpaid, actor="test", now=clock())
        alter("amount = 100", "billing_paymentattempt")

        sweep()

        assert fake.journal == []
        assert VerificationFinding.objects.get().code == "attempt_differs"


class TestVoid:
    def void(self, client, document):
        return confirm(
            client,
            reverse("admin:billing_document_changelist"),
            {"action": "void", "_selected_action": document.pk, "reason": "wrong"},
        )

    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_of_what_no_longer_matches_the_ledger_is_refused(
        self, client, boss, unpaid, name
    ):
        client.force_login(boss)
        table, change = DOCUMENTS[name]
        alter(change, table)

        answer = self.void(client, unpaid)

        assert answer.status_code == 200
        assert "cannot be voided because it no longer matches" in answer.text
        assert Document.objects.get().state == "open"
        assert not LedgerTransaction.objects.filter(kind="voided").exists()

    def test_is_done_once_it_is_restored(self, client, boss, unpaid):
        client.force_login(boss)
        alter(RAISED)
        self.void(client, unpaid)
        alter(LOWERED)

        self.void(client, unpaid)

        assert Document.objects.get().state == "void"


class TestIssue:
    def test_of_an_altered_draft_is_refused(self, client, boss, payer, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": timedelta(days=2)}
        client.force_login(boss)
        bill(MARCH)
        (draft,) = documents_of(payer)
        assert draft.state == "draft"
        alter(RAISED)

        answer = confirm(
            client,
            reverse("admin:billing_document_changelist"),
            {"action": "issue", "_selected_action": draft.pk, "reason": "test"},
        )

        assert answer.status_code == 200
        assert (
            "its lines sum to 100.00 USD. Discard it and build it again" in answer.text
        )
        assert Document.objects.get().state == "draft"
