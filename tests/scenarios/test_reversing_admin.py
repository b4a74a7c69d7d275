"""Staff take back a payment that was recorded by mistake."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from billing.receivables.services.payments import receive_payment
from seats.models import User
from tests.build import (
    APRIL_2,
    MARCH,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)
from tests.staff import confirm

pytestmark = pytest.mark.django_db


@pytest.fixture
def agency(settings):
    """With a March invoice of 50.00."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    bill(MARCH)
    return agency


def pay(payer, amount, reference="M0"):
    return receive_payment(
        payer=payer, amount=Decimal(amount), currency="USD", processor="manual",
        reference=reference, now=APRIL_2,
    )  # fmt: skip


class TestReversing:
    @pytest.fixture
    def payment(self, agency):
        return pay(agency, 500)

    def reverse(self, client, *payments, reason="500 was typed for 50"):
        ids = [payment.pk for payment in payments]
        content = {"action": "reverse", "_selected_action": ids, "reason": reason}
        return confirm(client, reverse("admin:billing_payment_changelist"), content)

    def test_takes_back_what_was_recorded_by_mistake(self, staff, agency, payment):
        page = self.reverse(staff, payment).content.decode()

        assert "1 reversed." in page
        payment.refresh_from_db()
        assert payment.reversed_by == "staff@example.com"
        assert [d.state for d in documents_of(agency)] == ["open"]
        assert "reversal" in staff.get(
            reverse("admin:billing_account_statement", args=[agency.code])
        ).content.decode()  # fmt: skip

    def test_says_why_not(self, staff, agency, payment):
        self.reverse(staff, payment)

        assert (
            "was already reversed on" in self.reverse(staff, payment).content.decode()
        )
        assert "required" in self.reverse(staff, payment, reason="").content.decode()
        other = pay(agency, 1)
        several = self.reverse(staff, payment, other).content.decode()
        assert "one payment at a time" in several

    def test_needs_a_permission_of_its_own(self, client, agency, payment):
        user = User.objects.create_user("clerk@example.com", is_staff=True)
        for name in ("view_payment", "add_payment"):
            user.user_permissions.add(Permission.objects.get(codename=name))
        client.force_login(user)

        self.reverse(client, payment)
        payment.refresh_from_db()
        assert payment.reversed_at is None

        user.user_permissions.add(Permission.objects.get(codename="reverse_payment"))
        self.reverse(client, payment)
        payment.refresh_from_db()
        assert payment.reversed_at
