"""The owner's hands in a document, and who is there when it is charged."""

from datetime import timedelta

import pytest
from django.db import connections

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.charges import charge_due
from billing.collection.services.methods import save_method
from billing.processors.services.processors import add_processor
from seats.models import User
from tests.billing.collection.processors import FakeProcessor
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

ALTER = (
    "ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {change};"
    "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} ENABLE TRIGGER USER"
)
RAISED = "total = total + 900, subtotal = subtotal + 900"
LOWERED = "total = total - 900, subtotal = subtotal - 900"


def alter(change, table="billing_document"):
    with connections["owner"].cursor() as cursor:
        cursor.execute(ALTER.format(table=table, change=change))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def acme(fresh_database):
    return add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=APRIL_2
    )[0]


@pytest.fixture
def payer(acme, settings):
    """An agency with a card on file and two seats, before its invoice."""
    # Later months of this world are never billed, and nobody is to be told of it.
    settings.BILLING = {
        **settings.BILLING,
        "REVIEW_WINDOW": None,
        "OVERDUE_AFTER": timedelta(days=36_500),
    }
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    save_method(payer=agency, processor=acme, label="card", actor="test", now=APRIL_2)
    return agency


@pytest.fixture
def invoice(payer):
    """March, 100.00, issued: its autopay is queued and not sent."""
    bill(MARCH)
    assert PaymentAttempt.objects.get().state == "created"
    return documents_of(payer)[0]


@pytest.fixture
def unpaid(payer, settings):
    """March, 100.00, issued: nobody has asked for a charge."""
    settings.CHARGES = {**settings.CHARGES, "ON_ISSUE": False}
    bill(MARCH)
    return documents_of(payer)[0]


@pytest.fixture
def fake():
    return FakeProcessor()


@pytest.fixture
def sweep(fake, clock):
    """What `payments.charge_due` does, some time later."""

    def run(**later):
        clock.forward(**later)
        return charge_due(clock=clock, connect=lambda _: fake)

    return run


@pytest.fixture
def boss(db_unblocked):
    return User.objects.create_superuser("boss@example.com", "x" * 12)


@pytest.fixture
def db_unblocked(fresh_database):
    return fresh_database
