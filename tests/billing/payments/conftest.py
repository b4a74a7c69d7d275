"""Payers with invoices."""

import pytest

from tests.build import (
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
