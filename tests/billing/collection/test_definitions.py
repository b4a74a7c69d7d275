"""What SQL and Python both compute is defined once, and they agree."""

from decimal import Decimal

import pytest
from django.db import connection

from billing.invoicing.domain.numbers import PRINTED_NUMBER, printed_number
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.left_to_pay import LEFT_TO_PAY, with_left_to_pay
from billing.receivables.queries.positions import amounts_due
from billing.receivables.services.payments import receive_payment
from tests.build import APRIL_2

pytestmark = pytest.mark.django_db


def select(expression, source="billing_document AS document"):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression} FROM {source}")
        return [row[0] for row in cursor.fetchall()]


class TestPrintedNumber:
    @pytest.mark.parametrize(
        ("number", "printed"),
        [(1, "SUN-00001"), (99_999, "SUN-99999"), (100_000, "SUN-100000")],
    )
    def test_is_the_same_in_sql(self, number, printed):
        parties = """'{"payer": {"code": "SUN"}}'::jsonb"""

        (in_sql,) = select(
            PRINTED_NUMBER,
            f"(SELECT {parties} AS parties, {number} AS number) AS document",
        )

        assert printed_number("SUN", number) == in_sql == printed

    def test_is_the_label_of_a_document(self, invoice):
        assert select(PRINTED_NUMBER) == [invoice.label]


class TestLeftToPay:
    @pytest.mark.parametrize("paid", [0, 30, 100, 130])
    def test_is_the_total_less_what_covers_it(self, invoice, paid):
        if paid:
            receive_payment(
                payer=invoice.payer, amount=Decimal(paid), currency="USD",
                processor="manual", reference="wire", document=invoice, now=APRIL_2,
            )  # fmt: skip
        left = max(100 - paid, 0)

        assert select(LEFT_TO_PAY) == [left]
        assert with_left_to_pay(Document.objects.all()).get().left_to_pay == left
        owed = [position.amount for position in amounts_due([invoice.pk]).values()]
        assert owed == ([left] if left else [])
