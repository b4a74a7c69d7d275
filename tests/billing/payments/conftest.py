"""Payers with invoices."""

from decimal import Decimal

import pytest

from billing.payments.services.receiving import receive_payment
from billing.payments.services.requesting import add_processor, request_charge
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


@pytest.fixture
def payer(db, at_once):
    """An agency with two seats, before any invoice."""
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    return agency


@pytest.fixture
def invoice(payer):
    """March of two seats: 100.00, open."""
    bill(MARCH)
    return documents_of(payer)[0]


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
    """Ask for a charge of all that is owed on the invoice."""
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
    """Another processor than the one that is asked."""
    return add_processor(
        code="other", url="https://other.example.com", actor="test", now=APRIL_2
    )[0]
