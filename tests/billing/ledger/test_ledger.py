"""The ledger matches documents and payments, and cannot be altered."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.invoicing.services.documents import void_document
from billing.ledger.models import LedgerEntry, LedgerTransaction
from billing.ledger.queries import balances_of
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import refund_payment
from tests.build import (
    APRIL_2,
    MARCH,
    bill,
    call,
    documents_of,
    make_agency,
    make_seats,
    use,
)

pytestmark = pytest.mark.django_db


class TestIssuedDocuments:
    def test_are_owed_by_the_payer_as_revenue_of_seats_and_usage(self, payer):
        use(call(agent="ana"))

        bill(MARCH)

        (invoice,) = documents_of(payer)
        usage = invoice.total - 100
        assert usage > 0
        assert balances_of(payer) == {
            "receivable": invoice.total,
            "revenue_seats": Decimal(-100),
            "revenue_usage": -usage,
        }

    def test_leave_nothing_when_voided(self, invoice):
        void_document(document_id=invoice.pk, actor="t", reason="test", now=APRIL_2)

        assert balances_of(invoice.payer) == {}
        assert LedgerTransaction.objects.count() == 2

    def test_are_posted_each_for_its_payer(self, payer):
        other = make_agency("OTHER")
        make_seats(other, "cara")

        bill(MARCH)

        assert balances_of(payer)["receivable"] == 100
        assert balances_of(other)["receivable"] == 50


class TestMoney:
    def test_lies_at_its_processor_and_settles_what_is_owed(self, invoice):
        pay(invoice.payer, 130)

        assert balances_of(invoice.payer) == {
            "cash": Decimal(130),
            "customer_credit": Decimal(-30),
            "revenue_seats": Decimal(-100),
        }

    def test_that_goes_back_leaves_its_processor(self, invoice):
        payment = pay(invoice.payer, 130)

        refund_payment(
            payment=payment, amount=Decimal(50), reference="R1", reason="test",
            actor="t", now=APRIL_2,
        )  # fmt: skip

        assert balances_of(invoice.payer) == {
            "cash": Decimal(80),
            "receivable": Decimal(20),
            "revenue_seats": Decimal(-100),
        }


class TestTheDatabase:
    def post(self, payer, *amounts, one_by_one=False):
        made = LedgerTransaction.objects.create(
            payer=payer, kind="refund", fact_id=1, currency="USD",
            recorded_at=timezone.now(),
        )  # fmt: skip
        accounts = ["receivable", "revenue_seats", "customer_credit"]
        entries = [
            LedgerEntry(transaction=made, account=account, amount=amount)
            for account, amount in zip(accounts, amounts, strict=False)
        ]
        LedgerEntry.objects.bulk_create(entries, batch_size=1 if one_by_one else None)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_takes_what_sums_to_zero(self, payer):
        self.post(payer, 3, -2, -1)

        assert LedgerEntry.objects.count() == 3

    @pytest.mark.parametrize("amounts", [(3, -2), (1,), ()])
    def test_refuses_what_does_not(self, payer, amounts):
        with pytest.raises(IntegrityError, match="sum to zero"):
            self.post(payer, *amounts)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE billing_ledgerentry SET amount = amount * 2",
            "DELETE FROM billing_ledgerentry",
            "DELETE FROM billing_ledgertransaction",
            "UPDATE billing_ledgertransaction SET kind = 'voided'",
            "TRUNCATE billing_ledgerentry",
            "UPDATE billing_payment SET amount = 1",
            "DELETE FROM billing_payment",
            "DELETE FROM billing_allocation",
            "UPDATE billing_refund SET amount = 1",
        ],
    )
    def test_refuses_to_change_what_is_written(self, invoice, statement):
        pay(invoice.payer, 130)

        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    @pytest.mark.parametrize("state", ["paid", "void"])
    def test_refuses_a_state_that_the_money_does_not_bear_out(self, invoice, state):
        if state == "void":
            pay(invoice.payer, 40)

        with pytest.raises(IntegrityError, match="so the document is not"):
            Document.objects.filter(pk=invoice.pk).update(state=state)


class TestVerify:
    def test_finds_nothing_after_all_of_it(self, invoice):
        payment = pay(invoice.payer, 130)
        refund_payment(
            payment=payment, amount=Decimal(50), reference="R1", reason="test",
            actor="t", now=APRIL_2,
        )  # fmt: skip

        assert verify_everything().findings == []


def pay(payer, amount, reference="P1", **changes):
    return receive_payment(
        payer=payer, amount=Decimal(amount), currency="USD", processor="manual",
        reference=reference, now=APRIL_2, **changes,
    )  # fmt: skip
