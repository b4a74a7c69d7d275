"""Staff open pages for payers, copy their URLs, and close them."""

from html import unescape

import pytest
from django.urls import reverse

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.processors.services.processors import add_processor
from tests.billing.processors.stripe_fake import KEY, SECRET, fake_stripe
from tests.billing.webhooks.conftest import Clock
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
ADD = reverse("admin:billing_checkoutpage_add")
PAGES = reverse("admin:billing_checkoutpage_changelist")
BACK = "https://agency.example.com/paid"


@pytest.fixture
def stripe(settings):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    with fake_stripe(Clock()) as fake:
        yield fake


@pytest.fixture
def row(db, stripe):
    return add_processor(
        code="stripe", url=stripe.url, kind="stripe", key=KEY, endpoint_secret=SECRET,
        actor="test", now=APRIL_2,
    )[0]  # fmt: skip


@pytest.fixture
def payer(settings):
    """With a March invoice of 50.00."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    bill(MARCH)
    return agency


@pytest.fixture
def add(staff, row):
    def adding(**content):
        content = {"processor": row.pk, "return_url": BACK, **content}
        return staff.post(ADD, content, follow=True)

    return adding


class TestPages:
    def test_are_opened_for_an_invoice_and_closed(self, staff, add, payer, stripe):
        (invoice,) = documents_of(payer)

        shown = unescape(add(invoice=invoice.pk).content.decode())

        page = CheckoutPage.objects.get()
        assert stripe.account.of("checkout.session")[0]["url"] in shown
        assert page.attempt
        assert page.actor == page.attempt.actor == "staff@example.com"
        url = reverse("admin:billing_checkoutpage_change", args=[page.pk])
        assert page.url in staff.get(url).content.decode()
        action = {"action": "close", "_selected_action": [page.pk]}
        assert "1 requested to close" in confirm(staff, PAGES, action).content.decode()
        assert PaymentAttempt.objects.get().state == "failed"

    def test_are_opened_for_a_payer_who_saves_a_method(self, add, payer, stripe):
        add(payer=payer.pk)

        assert CheckoutPage.objects.get().kind == "setup"
        assert stripe.account.of("checkout.session")[0]["mode"] == "setup"

    def test_are_for_one_of_both(self, staff, add, payer):
        (invoice,) = documents_of(payer)
        assert staff.get(ADD).status_code == 200

        for content in ({}, {"invoice": invoice.pk, "payer": payer.pk}):
            assert "either an invoice or a payer" in add(**content).content.decode()
        assert not CheckoutPage.objects.exists()

    def test_say_what_went_wrong(self, add, payer, stripe):
        stripe.faults = lambda method, path: "busy"
        assert "answered 429" in add(payer=payer.pk).content.decode()

        shown = add(payer=payer.pk, return_url="x").content.decode()
        assert "The URL has no host. Use a URL such as https://example.com/." in shown

    def test_are_for_staff(self, client, row):
        assert client.post(ADD).status_code == 302
