"""A payment that covers many invoices needs no more queries than one for one."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.receivables.services.payments import receive_payment
from tests.build import APRIL, APRIL_2, MAY, bill, documents_of

pytestmark = pytest.mark.django_db


def pay(payer, amount, reference="P1"):
    return receive_payment(
        payer=payer, amount=Decimal(amount), currency="USD", processor="manual",
        reference=reference, now=APRIL_2,
    )  # fmt: skip


def test_a_payment_takes_as_many_queries_for_many_invoices_as_for_one(invoice):
    with CaptureQueriesContext(connection) as of_one:
        pay(invoice.payer, 100)
    for month in (APRIL, MAY):
        bill(month)

    with CaptureQueriesContext(connection) as of_two:
        pay(invoice.payer, 200, reference="P2")

    assert [row.state for row in documents_of(invoice.payer)] == ["paid"] * 3
    assert len(of_two) <= len(of_one)
