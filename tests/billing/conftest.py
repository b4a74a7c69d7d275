"""Payers with invoices, and processors that charge them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES, charge_due
from billing.collection.services.checkout import open_payment_page
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.inbound_events import process_events
from billing.collection.services.methods import save_method
from billing.processors.services.processors import add_processor
from billing.processors.services.registry import connect_stripe
from billing.receivables.services.payments import receive_payment
from seats.models import Agency
from tests.billing.collection.answering import (
    charge_event_body,
    post,
    post_signed,
    signed,
)
from tests.billing.collection.paging import PAGE_OPTIONS
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


@pytest.fixture
def at_once(settings):
    """Drafts are issued without a review."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.fixture(scope="module")
def billed_once(module_rows, issued_at_once):
    """The payer and its invoice, for modules in which all tests need both."""
    make_payer()
    bill(MARCH)


@pytest.fixture
def payer(request, db, at_once):
    """An agency with two seats, before any invoice."""
    if "billed_once" in request.fixturenames:
        return Agency.objects.get(code="SUNRISE")
    return make_payer()


@pytest.fixture
def invoice(request, payer):
    """March of two seats: 100.00, open."""
    if "billed_once" not in request.fixturenames:
        bill(MARCH)
    return documents_of(payer)[0]


def make_payer() -> Agency:
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    return agency


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def processor(db):
    return add_processor(
        code="acme", url="https://pay.example.com/hook", actor="test", now=APRIL_2
    )[0]


@pytest.fixture
def charge(invoice, processor, clock):
    """Request a charge of all that is owed on the invoice."""
    return lambda: request_charge(
        invoice=invoice, processor=processor, actor="test", now=clock()
    )


@pytest.fixture
def captured(invoice, processor):
    """130.00 for an invoice of 100.00, charged by the processor."""
    return receive_payment(
        payer=invoice.payer, amount=Decimal(130), currency="USD", processor="acme",
        reference="ch_9", document=invoice, now=APRIL_2,
    )  # fmt: skip


@pytest.fixture
def other(db):
    """A second processor, which is not used for charges."""
    return add_processor(
        code="other", url="https://other.example.com", actor="test", now=APRIL_2
    )[0]


@pytest.fixture
def loopback(settings):
    """Allow processors on this machine, with a short timeout.

    Rate limits are off: many events of a test come from one address.
    """
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody there
    settings.WEBHOOKS = {
        **settings.WEBHOOKS,
        "ALLOW_LOOPBACK": True,
        "TIMEOUT": timedelta(seconds=1.5),
    }


@pytest.fixture
def stripe(clock, loopback):
    """A fake Stripe API on this machine."""
    with fake_stripe(clock) as fake:
        yield fake


@pytest.fixture
def at_stripe(db, stripe):
    """The processor row of the fake Stripe account."""
    return add_processor(
        code="stripe", url=stripe.url, kind="stripe", key=KEY, endpoint_secret=SECRET,
        actor="test", now=APRIL_2,
    )[0]  # fmt: skip


@pytest.fixture
def account(at_stripe):
    """The Stripe client of that processor, which uses Stripe's own library."""
    return connect_stripe(at_stripe)


@pytest.fixture
def customer(stripe):
    return stripe.account.create_customer({"metadata": {"payer": "SUNRISE"}})["id"]


@pytest.fixture
def save_card(stripe, at_stripe, payer, customer, clock):
    """A card of the payer; the second word of its id says how its bank behaves."""

    def save(reference="pm_visa"):
        stripe.account.method(reference, customer)
        return save_method(
            payer=payer, processor=at_stripe, actor="test", now=clock(),
            customer=customer, reference=reference, label="visa 4242",
        )  # fmt: skip

    return save


@pytest.fixture
def open_page(invoice, at_stripe, clock):
    """Open, or get, the page of the invoice of 100.00."""
    return lambda: open_payment_page(invoice=invoice, options=PAGE_OPTIONS, clock=clock)


@pytest.fixture
def tell(client, stripe, clock):
    """Post every event of the fake account, and process them."""

    def telling():
        for event in stripe.account.events:
            signed = stripe.signed(event, timezone.now())
            assert post_signed(client, *signed).status_code == 204
        process_events(now=clock.forward(minutes=1))

    return telling


@pytest.fixture
def ask(clock):
    """Move the clock to the next look-up, and look up open attempts."""

    def asking(**pause):
        clock.forward(**(pause or {"minutes": 6}))
        charge_due(clock=clock)

    return asking


@pytest.fixture
def attempt(charge, clock):
    """A payment attempt that was claimed and sent."""
    requested = charge()
    claim_calls(CHARGES, now=clock(), limit=8)
    return requested


@pytest.fixture
def post_event(client, processor, attempt, clock):
    """Post a signed event about the attempt."""

    def posting(kind, event_id="", at=None, **changes):
        body = charge_event_body(attempt, kind, **changes)
        headers = signed(processor, body, at or clock(), event_id)
        return post(client, processor, body, headers)

    return posting


@pytest.fixture
def states():
    """The states of all processor events, in the order of arrival."""
    events = ProcessorEvent.objects.order_by("pk")
    return lambda: list(events.all().values_list("state", flat=True))
