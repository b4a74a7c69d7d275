"""Staff record, look at and give back money in the admin."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.collection.models.disputes import Dispute
from billing.collection.services.refund_requests import request_refund
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment, Refund
from billing.receivables.services.payments import receive_payment
from seats.models import User
from tests.billing.collection.disputes import make_disputes
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)
from tests.staff import confirm

pytestmark = pytest.mark.django_db
ADD = reverse("admin:billing_payment_add")


@pytest.fixture
def agency(settings):
    """With a March invoice of 50.00."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    bill(MARCH)
    return agency


def pay_many(payer, count, amount=1):
    return [
        receive_payment(
            payer=payer, amount=Decimal(amount), currency="USD", processor="manual",
            reference=f"M{n}", now=APRIL_2,
        )
        for n in range(count)
    ]  # fmt: skip


def record(staff, agency, **changes):
    content = {
        "payer": agency.pk,
        "amount": "20",
        "reference": "C1",
        "method": "cheque",
    }
    return staff.post(ADD, {**content, **changes}, follow=True)


class TestRecording:
    def test_takes_part_of_an_invoice_and_then_more_than_the_rest(self, staff, agency):
        (invoice,) = documents_of(agency)
        assert staff.get(ADD).status_code == 200

        record(staff, agency, invoice=invoice.pk)
        assert [d.state for d in documents_of(agency)] == ["open"]
        record(staff, agency, amount="40", reference="C2", method="bank_transfer")

        assert [d.state for d in documents_of(agency)] == ["paid"]
        payments = Payment.objects.values_list("processor", "method", "actor")
        assert set(payments) == {
            ("manual", "cheque", "staff@example.com"),
            ("manual", "bank_transfer", "staff@example.com"),
        }

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"amount": "0"}, "Enter a number greater than 0 and less than"),
            ({"amount": "x"}, "Enter a number"),
            (
                {"amount": "1.001"},
                "1.001&#x27; has too many decimal places. Amounts in USD",
            ),
            ({"payer": ""}, "required"),
        ],
    )
    def test_says_what_is_wrong(self, staff, agency, changes, says):
        assert says in record(staff, agency, **changes).content.decode()
        assert not Payment.objects.exists()

    def test_refuses_a_reference_with_another_amount(self, staff, agency):
        record(staff, agency)

        page = record(staff, agency, amount="21").content.decode()

        assert "was already recorded with another payer or amount" in page
        assert Payment.objects.get().amount == 20


class TestPages:
    @pytest.fixture
    def payment(self, agency):
        return receive_payment(
            payer=agency, amount=Decimal(60), currency="USD", processor="manual",
            reference="C1", now=APRIL_2,
        )  # fmt: skip

    def test_show_a_payment_and_a_ledger_transaction(self, staff, payment):
        page = staff.get(reverse("admin:billing_payment_change", args=[payment.pk]))
        assert "SUNRISE-00001" in page.content.decode()

        ledger = reverse("admin:billing_ledgertransaction_changelist")
        assert staff.get(ledger).status_code == 200

    @pytest.mark.parametrize("page", ["payment", "ledgertransaction"])
    def test_list_many_rows_in_as_many_queries_as_few(
        self, staff, payment, page, django_assert_max_num_queries
    ):
        pay_many(payment.payer, 8)

        with django_assert_max_num_queries(14):
            url = reverse(f"admin:billing_{page}_changelist")
            assert staff.get(url).status_code == 200

    def test_show_what_a_payment_covers_in_as_many_queries_as_one(
        self, staff, agency, django_assert_max_num_queries
    ):
        for month in (APRIL, MAY):
            bill(month)
        (payment,) = pay_many(agency, 1, amount=150)
        assert payment.allocations.count() == 3

        with django_assert_max_num_queries(10):
            url = reverse("admin:billing_payment_change", args=[payment.pk])
            assert staff.get(url).status_code == 200

    def test_show_the_statement_of_an_agency(self, staff, payment):
        url = reverse("admin:billing_account_statement", args=["SUNRISE"])

        page = staff.get(url).content.decode()

        assert "Balance -10.00" in page
        assert (
            '<td>customer_credit</td><td><span class="money">-10.00</span></td>' in page
        )
        assert staff.get(url.replace("SUNRISE", "NOBODY")).status_code == 404

    def test_keep_the_statement_from_who_may_not_see_payments(self, client, payment):
        user = User.objects.create_user("new@example.com", "x" * 12, is_staff=True)
        client.force_login(user)

        url = reverse("admin:billing_account_statement", args=["SUNRISE"])

        assert client.get(url).status_code == 403

    def test_refund_what_was_chosen_with_a_reason(self, staff, payment):
        content = {"action": "refund", "_selected_action": [payment.pk], "apply": "1",
                "amount": "15", "reference": "R1", "reason": "too much"}  # fmt: skip

        confirm(staff, reverse("admin:billing_payment_changelist"), content)

        refund = payment.refunds.get()
        assert (refund.amount, refund.actor) == (15, "staff@example.com")
        assert [d.state for d in documents_of(payment.payer)] == ["open"]

    def test_refund_no_more_than_one_at_a_time(self, staff, payment):
        (other,) = pay_many(payment.payer, 1, amount=30)
        content = {"action": "refund", "_selected_action": [payment.pk, other.pk],
                "apply": "1", "amount": "15", "reference": "R1",
                "reason": "too much"}  # fmt: skip

        page = confirm(staff, reverse("admin:billing_payment_changelist"), content)

        assert "one payment at a time" in page.content.decode()
        assert not Refund.objects.exists()

    def test_have_the_processor_refund_what_it_holds(self, staff, agency):
        add_processor(
            code="acme", url="https://pay.example.com", actor="t", now=APRIL_2
        )
        payment = receive_payment(
            payer=agency, amount=Decimal(60), currency="USD", processor="acme",
            reference="ch_1", now=APRIL_2,
        )  # fmt: skip
        url = reverse("admin:billing_payment_changelist")
        content = {"action": "refund", "_selected_action": [payment.pk]}
        assert "Reference" not in staff.post(url, content).content.decode()

        confirm(staff, url, {**content, "amount": "15", "reason": "too much"})

        attempt = payment.refund_attempts.get()
        assert attempt.amount == 15
        assert attempt.actor == "staff@example.com"
        assert not Refund.objects.exists()
        page = reverse("admin:billing_refundattempt_change", args=[attempt.pk])
        assert "too much" in staff.get(page).content.decode()

    def test_list_many_refunds_in_as_many_queries_as_few(
        self, staff, agency, django_assert_max_num_queries
    ):
        add_processor(
            code="acme", url="https://pay.example.com", actor="t", now=APRIL_2
        )
        payment = receive_payment(
            payer=agency, amount=Decimal(60), currency="USD", processor="acme",
            reference="ch_1", now=APRIL_2,
        )  # fmt: skip
        for _ in range(8):
            request_refund(
                payment=payment, amount=Decimal(1), reason="test", actor="t",
                now=APRIL_2,
            )  # fmt: skip

        with django_assert_max_num_queries(12):
            url = reverse("admin:billing_refundattempt_changelist")
            page = staff.get(url).content.decode()
        assert page.count("acme ch_1") == page.count("1.00 USD") == 8

    def test_list_disputes_with_their_history(
        self, staff, agency, django_assert_max_num_queries
    ):
        make_disputes(agency)
        (lost, _) = Dispute.objects.all()

        with django_assert_max_num_queries(12):
            page = staff.get(reverse("admin:billing_dispute_changelist"))
        assert "dp_1" in page.content.decode()
        url = reverse("admin:billing_dispute_change", args=[lost.pk])
        assert re.search(r">\s*lost\s*<", staff.get(url).content.decode())
        assert staff.post(url, {"state": "won"}).status_code == 403
