"""Who works in the admin, and what there is to charge."""

import pytest

from billing.processors.services.processors import add_processor
from seats.models import User
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)
from tests.downline import make_downline, make_people


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("staff@example.com", "x" * 12))
    return client


@pytest.fixture
def invoices(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    payers = [make_agency(f"A{n}") for n in range(4)]
    for payer in payers:
        make_seats(payer, "ana")
    bill(MARCH)
    return [documents_of(payer)[0] for payer in payers]


@pytest.fixture
def acme(db):
    return add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=APRIL_2
    )[0]


@pytest.fixture
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.fixture
def billed(no_review):
    """Two agencies with documents of March and of April each."""
    make_prices()
    for code in ("SUNRISE", "SUN-2"):
        make_seats(make_agency(code), *(f"agent-{n}" for n in range(30)))
    bill(MARCH)
    bill(APRIL)


@pytest.fixture
def agencies(settings):
    """The agencies of tests/downline.py, by code."""
    return make_downline(settings)


@pytest.fixture
def people(agencies):
    """Each role at HOMEZZ, and owners of the agencies around it; all logged in."""
    people = make_people(agencies)
    for person in people:  # who is not logged in finds nothing, however it leaks
        assert person.client.get("/agency/").status_code == 200
    return people
