"""Staff ask for charges, and close those that are stuck."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from tests.build import APRIL_2
from tests.staff import confirm

pytestmark = pytest.mark.django_db
PROCESSORS = reverse("admin:billing_paymentprocessor_changelist")
ADD_PROCESSOR = reverse("admin:billing_paymentprocessor_add")
ADD_ATTEMPT = reverse("admin:billing_paymentattempt_add")
ATTEMPTS = reverse("admin:billing_paymentattempt_changelist")
EVENTS = reverse("admin:billing_processorevent_changelist")


class TestAttempts:
    def test_that_stay_unknown_are_closed_with_a_reason(self, staff, acme, invoices):
        attempt = request_charge(
            invoice=invoices[0], processor=acme, actor="test", now=APRIL_2
        )
        claim_calls(CHARGES, now=APRIL_2, limit=1)
        claim_calls(CHARGES, now=APRIL_2 + timedelta(hours=1), limit=1)
        content = {"action": "close", "_selected_action": [attempt.pk], "apply": "1",
                "outcome": "succeeded", "reason": "seen there"}  # fmt: skip
        page = confirm(staff, ATTEMPTS, content)
        assert "printable characters" in page.content.decode()

        confirm(staff, ATTEMPTS, {**content, "reference": "ch_1"})

        attempt.refresh_from_db()
        assert attempt.state == "succeeded"
        assert attempt.last_error == "by staff@example.com: seen there"

    def test_are_closed_one_at_a_time(self, staff, acme, invoices):
        rows = [
            request_charge(invoice=invoice, processor=acme, actor="test", now=APRIL_2)
            for invoice in invoices[:2]
        ]
        content = {"action": "close", "_selected_action": [row.pk for row in rows],
                "apply": "1", "outcome": "failed", "reason": "seen"}  # fmt: skip

        page = confirm(staff, ATTEMPTS, content)

        assert "one attempt at a time" in page.content.decode()

    def test_are_asked_for_once_at_a_time(self, staff, acme, invoices):
        content = {"invoice": invoices[0].pk, "processor": acme.pk}

        assert staff.post(ADD_ATTEMPT, content).status_code == 302
        page = staff.post(ADD_ATTEMPT, content)

        attempt = PaymentAttempt.objects.get()
        assert (attempt.amount, attempt.actor) == (Decimal(50), "staff@example.com")
        assert "is in progress. Try again when it has ended." in page.content.decode()
        url = reverse("admin:billing_paymentattempt_change", args=[attempt.pk])
        assert str(attempt.public_id) in staff.get(url).content.decode()

    def test_are_listed_in_as_many_queries_as_one(self, staff, acme, invoices):
        counts = []
        staff.get(ATTEMPTS)
        for few in (invoices[:1], invoices[1:]):
            for invoice in few:
                request_charge(
                    invoice=invoice, processor=acme, actor="test", now=APRIL_2
                )
            with CaptureQueriesContext(connection) as queries:
                page = staff.get(ATTEMPTS)
            counts.append(len(queries))

        assert counts[0] == counts[1]
        assert page.content.decode().count("50.00 USD") == len(invoices)
