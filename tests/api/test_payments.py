"""Payments and statements over the API."""

from decimal import Decimal

import pytest

from billing.collection.models.refunds import RefundAttempt
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import refund_payment
from seats.agencies.services import set_upline
from tests.build import (
    APRIL_2,
    MARCH,
    MARCH_1,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)

pytestmark = pytest.mark.django_db
SCOPES = ["payments:read", "payments:write"]
JSON = "application/json"


@pytest.fixture(scope="module")
def downline(module_rows, issued_at_once):
    """March of three agencies, one below another; TOP has paid, and some went back."""
    make_prices()
    top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
    set_upline(agency=below, upline=top, on=MARCH, now=MARCH_1, actor="test")
    for agency in (top, below, other):
        make_seats(agency, "ana")
    bill(MARCH)
    payment = receive_payment(
        payer=top, amount=Decimal(70), currency="USD", processor="manual",
        reference="T1", now=APRIL_2,
    )  # fmt: skip
    refund_payment(
        payment=payment, amount=Decimal(5), reference="T1", reason="test",
        actor="test", now=APRIL_2,
    )  # fmt: skip
    return top, below, other


@pytest.fixture
def platform(caller, downline):
    return caller(None, SCOPES)


@pytest.fixture
def top(caller, downline):
    return caller(downline[0], SCOPES)


def record(client, **changes):
    payload = {
        "agency": "BELOW", "amount": "50.00", "currency": "USD", "reference": "B1",
        **changes,
    }  # fmt: skip
    return client.post("/api/v1/payments", payload, content_type=JSON)


class TestPayments:
    def test_are_those_of_payers_within_reach(self, platform, top, caller, downline):
        record(platform, agency="OTHER")

        (shown,) = top.get("/api/v1/payments").json()["results"]

        assert (shown["payer"], shown["amount"], shown["refunded"]) == (
            "TOP",
            "70.00",
            "5.00",
        )
        assert len(platform.get("/api/v1/payments").json()["results"]) == 2
        assert top.get("/api/v1/payments?agency=OTHER").status_code == 404
        below = caller(downline[1], SCOPES)
        assert below.get("/api/v1/payments").json()["results"] == []

    def test_need_their_scope(self, caller, downline):
        client = caller(downline[0], ["invoices:read"])

        assert client.get("/api/v1/payments").status_code == 403
        assert client.get("/api/v1/statement").status_code == 403


class TestRecording:
    def test_is_for_the_platform_alone(self, top):
        assert record(top).status_code == 403
        assert Payment.objects.count() == 1

    def test_covers_the_invoice_and_is_safe_to_repeat(self, platform, downline):
        first, again = record(platform), record(platform)

        assert first.status_code == 200, first.json()
        assert first.json() == again.json()
        assert [d.state for d in documents_of(downline[1])] == ["paid"]

    def test_refuses_a_known_reference_with_another_amount(self, platform):
        record(platform)

        answer = record(platform, amount="49")

        assert (answer.status_code, answer.json()["code"]) == (409, "payment_differs")

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"amount": "0"}, 422), ({"amount": "NaN"}, 400), ({"amount": "1_0"}, 400),
            ({"amount": "\N{FULLWIDTH DIGIT ONE}"}, 400), ({"amount": "1.001"}, 422),
            ({"currency": "EUR"}, 422), ({"agency": "NOBODY"}, 404),
            ({"reference": "a\0"}, 400), ({"invoice": "x"}, 400),
            ({"invocie": "x"}, 400), ({"method": "a\u202eb"}, 400),
        ],
    )  # fmt: skip
    def test_refuses_what_cannot_be(self, platform, changes, status):
        assert record(platform, **changes).status_code == status

    def test_does_not_see_the_invoice_of_another_payer(self, platform, downline):
        (invoice,) = documents_of(downline[2])

        assert record(platform, invoice=str(invoice.public_id)).status_code == 404


def refund(client, payment, **changes):
    payload = {"amount": "10", "reference": "R1", "reason": "too much", **changes}
    url = f"/api/v1/payments/{payment}/refunds"
    return client.post(url, payload, content_type=JSON)


class TestRefunding:
    @pytest.fixture
    def by_hand(self, downline):
        return Payment.objects.get().public_id

    @pytest.fixture
    def captured(self, downline):
        """70.00 that a processor holds."""
        add_processor(
            code="acme", url="https://pay.example.com", actor="test", now=APRIL_2
        )
        return receive_payment(
            payer=downline[1], amount=Decimal(70), currency="USD", processor="acme",
            reference="ch_1", now=APRIL_2,
        ).public_id  # fmt: skip

    def test_records_what_people_gave_back_once(self, platform, by_hand):
        first, again = refund(platform, by_hand), refund(platform, by_hand)

        assert first.status_code == 200, first.json()
        body = first.json()
        assert body == again.json()
        assert (body["state"], body["reference"]) == ("succeeded", "R1")
        assert (body["payment"], body["amount"]) == (str(by_hand), "10.00")

    def test_asks_the_processor_that_holds_the_money_once(self, platform, captured):
        first, again = refund(platform, captured), refund(platform, captured)

        body = first.json()
        assert body == again.json()
        assert (body["state"], body["reference"]) == ("created", "R1")
        assert RefundAttempt.objects.get().actor.startswith("key ")
        differs = refund(platform, captured, amount="11")
        assert (differs.status_code, differs.json()["code"]) == (409, "refund_differs")

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"amount": "70.01"}, 422), ({"amount": "0"}, 422), ({"reason": ""}, 400),
            ({"reference": "a\0"}, 400), ({"reference": "a\u202eb"}, 422),
            ({"currency": "USD"}, 400),
        ],
    )  # fmt: skip
    def test_refuses_what_cannot_be(self, platform, captured, changes, status):
        assert refund(platform, captured, **changes).status_code == status

    def test_is_for_the_platform_alone(self, top, caller, by_hand):
        assert refund(top, by_hand).status_code == 403
        assert refund(caller(None, ["payments:read"]), by_hand).status_code == 403

    def test_does_not_find_what_is_no_payment(self, platform, downline):
        agency = "018f0000-0000-7000-8000-000000000000"
        assert refund(platform, agency).status_code == 404


class TestStatement:
    def test_lists_charges_payments_and_refunds_with_a_running_balance(self, top):
        body = top.get("/api/v1/statement?to=2026-05-01").json()

        rows = [(m["kind"], m["amount"], m["balance"]) for m in body["movements"]]
        assert rows == [
            ("invoice", "50.00", "50.00"),
            ("payment", "-70.00", "-20.00"),
            ("refund", "5.00", "-15.00"),
        ]
        assert (body["opening"], body["closing"]) == ("0.00", "-15.00")
        assert (body["from"], body["to"]) == (None, "2026-05-01")

    @pytest.mark.parametrize(
        ("currency", "nothing"), [("JPY", "0"), ("USD", "0.00"), ("KWD", "0.000")]
    )
    def test_writes_amounts_with_the_places_of_the_currency(
        self, platform, currency, nothing
    ):
        make_agency("ABROAD", currency=currency)

        body = platform.get("/api/v1/statement?agency=ABROAD").json()

        assert (body["currency"], body["opening"], body["closing"]) == (
            currency,
            nothing,
            nothing,
        )

    def test_begins_with_what_was_owed_before(self, platform):
        url = "/api/v1/statement?agency=BELOW&from=2026-04-03"

        body = platform.get(url).json()

        assert (body["opening"], body["closing"], body["movements"]) == (
            "0.00",
            "0.00",
            [],
        )
        assert body["from"] == "2026-04-03"
        later = platform.get(f"{url}&to=2026-04-04").json()
        assert (later["opening"], later["closing"]) == ("50.00", "50.00")

    def test_takes_dates_local_to_the_agency_without_the_last(self, platform):
        url = "/api/v1/statement?agency=BELOW&from=2026-04-01"

        kinds = [
            [m["kind"] for m in platform.get(f"{url}&to={to}").json()["movements"]]
            for to in ("2026-04-02", "2026-04-03")
        ]

        assert kinds == [[], ["invoice"]]

    def test_takes_dates_in_no_other_spelling(self, top):
        for query in ("from=20260401", "to=2026-W14-3", "from=2026-4-1"):
            answer = top.get(f"/api/v1/statement?{query}")
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid")

    def test_of_an_agency_out_of_reach_is_not_there(self, top):
        for code in ("OTHER", "NOBODY"):
            assert top.get(f"/api/v1/statement?agency={code}").status_code == 404
