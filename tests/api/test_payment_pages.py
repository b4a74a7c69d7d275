"""Pages, methods and attempts over the API."""

import pytest

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.manual_resolution import close_attempt
from billing.collection.services.methods import save_method
from billing.processors.services.processors import add_processor
from seats.agencies.services import set_upline
from tests.billing.processors.stripe_fake import KEY, SECRET, fake_stripe
from tests.build import (
    APRIL_2,
    MARCH,
    MARCH_1,
    MAY_2,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)

pytestmark = pytest.mark.django_db
SCOPES = ["payments:read", "payments:write"]
METHODS, ATTEMPTS = "/api/v1/payment-methods", "/api/v1/payment-attempts"
BACK = {"return_url": "https://agency.example.com/paid"}
JSON = "application/json"
NOBODY = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def stripe(clock, settings):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    with fake_stripe(lambda: clock) as fake:
        yield fake


@pytest.fixture
def row(db, stripe):
    return add_processor(
        code="stripe", url=stripe.url, kind="stripe", key=KEY, endpoint_secret=SECRET,
        actor="test", now=APRIL_2,
    )[0]  # fmt: skip


@pytest.fixture(scope="module")
def billed(module_rows, issued_at_once):
    """March of an agency, one below it and a stranger."""
    make_prices()
    top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
    set_upline(agency=below, upline=top, on=MARCH, now=MARCH_1, actor="test")
    for agency in (top, below, other):
        make_seats(agency, "ana")
    bill(MARCH)
    return top, below, other


@pytest.fixture
def agencies(row, billed):
    return billed


@pytest.fixture
def top(caller, agencies):
    return caller(agencies[0], SCOPES)


@pytest.fixture
def platform(caller, agencies):
    return caller(None, SCOPES)


def page_of(agency):
    (invoice,) = documents_of(agency)
    return f"/api/v1/invoices/{invoice.public_id}/payment-page"


def send(client, path, payload=None):
    return client.post(path, BACK if payload is None else payload, content_type=JSON)


class TestPaymentPage:
    def test_is_opened_for_payers_within_reach(self, top, agencies, stripe):
        for payer, status in zip(agencies, [200, 200, 404], strict=True):
            assert send(top, page_of(payer)).status_code == status

        urls = {session["url"] for session in stripe.account.of("checkout.session")}
        assert set(CheckoutPage.objects.values_list("url", flat=True)) == urls
        assert len(urls) == 2

    def test_is_given_out_again(self, top, agencies):
        first, again = (send(top, page_of(agencies[0])).json() for _ in range(2))

        assert first == again
        assert first.keys() == {"id", "payer", "processor", "url", "expires_at"}

    def test_waits_for_another_charge(self, top, platform, agencies, row):
        (invoice,) = documents_of(agencies[0])
        save(agencies[0], row)
        send(platform, ATTEMPTS, {"invoice": str(invoice.public_id)})

        answer = send(top, page_of(agencies[0]))

        assert (answer.status_code, answer.json()["code"]) == (409, "charge_under_way")

    def test_is_closed(self, top, agencies):
        path = page_of(agencies[0])
        send(top, path)

        assert top.delete(path).json()["state"] == "failed"
        assert top.delete(path).status_code == 404

    def test_is_to_be_asked_for_again_where_they_cannot_be_reached(
        self, top, agencies, stripe
    ):
        stripe.faults = lambda method, path: "busy"
        answer = send(top, page_of(agencies[0]))
        assert (answer.status_code, answer.json()["code"]) == (
            503,
            "processor_unreachable",
        )

        stripe.faults = lambda method, path: "ok"
        assert send(top, page_of(agencies[0])).status_code == 200

    @pytest.mark.parametrize(
        ("payload", "status", "code"),
        [
            ({}, 422, "bad_return_url"),
            ({"return_url": "http://10.0.0.1/"}, 422, "bad_return_url"),
            (BACK | {"processor": "nobody"}, 404, "not_found"),
            (BACK | {"processor": "\u202e"}, 404, "not_found"),
            (BACK | {"card": "4242424242424242"}, 400, "invalid"),
        ],
    )
    def test_refuses_what_cannot_be(self, top, agencies, payload, status, code):
        answer = send(top, page_of(agencies[0]), payload)

        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_needs_a_scope(self, caller, agencies):
        reader = caller(agencies[0], ["payments:read"])

        assert send(reader, page_of(agencies[0])).status_code == 403
        assert send(reader, METHODS).status_code == 403


class TestPaymentMethods:
    def test_are_saved_on_a_page(self, top, agencies, stripe):
        answer = send(top, METHODS, BACK | {"agency": "BELOW"})

        assert (answer.status_code, answer.json()["payer"]) == (201, "BELOW")
        (session,) = stripe.account.of("checkout.session")
        assert (session["mode"], session["url"]) == ("setup", answer.json()["url"])
        assert send(top, METHODS, BACK | {"agency": "OTHER"}).status_code == 404

    def test_are_narrowed_to_a_payer_within_reach(self, top, agencies, row):
        for agency in agencies:
            save(agency, row)

        (shown,) = top.get(f"{METHODS}?agency=BELOW").json()["results"]

        assert shown["payer"] == "BELOW"
        assert top.get(f"{METHODS}?agency=OTHER").status_code == 404
        assert top.get(f"{METHODS}?agncy=BELOW").status_code == 400

    def test_are_those_within_reach_and_can_be_taken_away(self, top, agencies, row):
        mine, foreign = (save(agencies[n], row) for n in (1, 2))

        (shown,) = top.get(METHODS).json()["results"]
        assert (shown["id"], shown["label"]) == (str(mine.public_id), "visa 4242")
        assert top.delete(f"{METHODS}/{foreign.public_id}").status_code == 404
        for _ in range(2):
            assert top.delete(f"{METHODS}/{mine.public_id}").status_code == 204

        assert top.get(METHODS).json()["results"] == []
        assert PaymentMethod.objects.filter(removed_at=None).count() == 1


class TestPaymentAttempts:
    def test_are_asked_for_by_the_platform_alone(self, top, platform, agencies, row):
        (invoice,) = documents_of(agencies[0])
        payload = {"invoice": str(invoice.public_id)}
        assert send(top, ATTEMPTS, payload).status_code == 403
        assert send(platform, ATTEMPTS, payload).json()["code"] == "no_payment_method"
        save(agencies[0], row)

        answer = send(platform, ATTEMPTS, payload | {"processor": "stripe"})

        assert (answer.status_code, answer.json()["state"]) == (201, "created")
        assert send(platform, ATTEMPTS, payload).status_code == 409
        assert send(platform, ATTEMPTS, {"invoice": NOBODY}).status_code == 404

    def test_are_those_within_reach(self, top, platform, agencies, row):
        for agency in agencies:
            save(agency, row)
            (invoice,) = documents_of(agency)
            send(platform, ATTEMPTS, {"invoice": str(invoice.public_id)})

        def payers_of(client, query=""):
            rows = client.get(f"{ATTEMPTS}{query}").json()["results"]
            return [entry["payer"] for entry in rows]

        (invoice,) = documents_of(agencies[1])
        PaymentAttempt.objects.filter(invoice=invoice).update(state="failed")
        assert payers_of(top) == ["TOP", "BELOW"]
        assert payers_of(platform) == ["TOP", "BELOW", "OTHER"]
        assert payers_of(top, f"?invoice={invoice.public_id}") == ["BELOW"]
        assert payers_of(top, "?state=created") == ["TOP"]
        assert payers_of(platform, "?agency=OTHER") == ["OTHER"]
        assert top.get(f"{ATTEMPTS}?agency=OTHER").status_code == 404
        for query in ("?state=dancing", "?invoice=1", "?agncy=TOP"):
            assert top.get(f"{ATTEMPTS}{query}").status_code == 400

    def test_tell_nobody_who_closed_them_and_why(self, top, platform, agencies, row):
        save(agencies[0], row)
        (invoice,) = documents_of(agencies[0])
        send(platform, ATTEMPTS, {"invoice": str(invoice.public_id)})
        PaymentAttempt.objects.update(
            state="sent", sends=1, first_sent_at=APRIL_2, leased_until=MAY_2
        )
        PaymentAttempt.objects.update(state="unknown")
        close_attempt(
            attempt=PaymentAttempt.objects.get(), outcome="failed", now=MAY_2,
            reason="they owe us for a year", actor="somebody@example.com",
        )  # fmt: skip

        body = top.get(ATTEMPTS).json()["results"][0]

        assert (body["state"], body["error"]) == ("failed", "by hand")


def save(payer, row):
    return save_method(
        payer=payer, processor=row, actor="test", now=APRIL_2, customer="cus_1",
        reference=f"pm_visa_{payer.code}", label="visa 4242",
    )  # fmt: skip
