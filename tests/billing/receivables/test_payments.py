"""Payments received, the invoices they cover, and the effect of credit notes."""

from decimal import Decimal

import pytest

from billing.collection.services.documents import MoneyInvolved
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.invoicing.services.documents import NotVoidable, void_document
from billing.receivables.models import Allocation, Payment
from billing.receivables.queries.positions import customer_credit
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refusals import (
    BadAmount,
    BadReference,
    InvoiceNotOfPayer,
    PaymentDiffers,
    WrongCurrency,
)
from billing.webhooks.models import OutboxEvent
from seats.models import Seat
from seats.roster.services.seats import remove_seats
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY_2,
    bill,
    documents_of,
    make_agency,
)

pytestmark = pytest.mark.django_db


def pay(payer, amount, reference="P1", **changes):
    fields = {"currency": "USD", "processor": "manual", "now": APRIL_2, **changes}
    return receive_payment(
        payer=payer, amount=Decimal(amount), reference=reference, **fields
    )


def event_types(payer):
    events = OutboxEvent.objects.filter(stream__agency=payer).order_by("sequence")
    return list(events.values_list("type", flat=True))


def states(payer):
    return [document.state for document in documents_of(payer)]


@pytest.fixture
def two_invoices(invoice):
    """March and April, 100.00 each, both open."""
    bill(APRIL)
    return documents_of(invoice.payer)


class TestReceivePayment:
    def test_covers_an_invoice_and_says_so(self, invoice):
        payment = pay(invoice.payer, 100, method="cheque", actor="staff")

        invoice.refresh_from_db()
        assert invoice.state == "paid"
        kinds = event_types(invoice.payer)
        assert kinds[-3:] == ["invoice.issued", "payment.received", "invoice.paid"]
        assert (payment.method, payment.actor) == ("cheque", "staff")

    def test_leaves_an_invoice_open_that_it_covers_in_part(self, invoice):
        pay(invoice.payer, "99.99")
        assert states(invoice.payer) == ["open"]

        pay(invoice.payer, "0.01", "P2")
        assert states(invoice.payer) == ["paid"]

    def test_covers_the_oldest_first(self, two_invoices):
        pay(two_invoices[0].payer, 150)

        assert states(two_invoices[0].payer) == ["paid", "open"]
        assert covered(two_invoices) == [100, 50]

    def test_covers_the_one_it_is_meant_for_before_the_oldest(self, two_invoices):
        pay(two_invoices[0].payer, 130, document=two_invoices[1])

        assert covered(two_invoices) == [30, 100]

    def test_meant_for_a_paid_one_covers_the_oldest(self, two_invoices):
        first, second = two_invoices
        pay(first.payer, 100, document=second)

        pay(first.payer, 60, "P2", document=second)

        assert covered(two_invoices) == [60, 100]

    def test_meant_for_one_that_was_written_off_covers_it(self, two_invoices):
        first, _ = two_invoices
        Document.objects.filter(pk=first.pk).update(state="uncollectible")

        pay(first.payer, 40)
        pay(first.payer, 100, "P2", document=first)

        assert covered(two_invoices) == [100, 40]
        assert states(first.payer) == ["paid", "open"]

    def test_keeps_what_is_too_much_as_credit_for_the_next_invoice(self, invoice):
        pay(invoice.payer, 130)
        assert customer_credit(invoice.payer_id) == 30

        bill(APRIL)

        assert customer_credit(invoice.payer_id) == 0
        assert covered(documents_of(invoice.payer)) == [100, 30]

    def test_pays_an_invoice_with_credit_when_it_is_issued(self, payer):
        pay(payer, 250)

        bill(MARCH)

        assert states(payer) == ["paid"]
        kinds = event_types(payer)
        assert kinds[-2:] == ["invoice.issued", "invoice.paid"]

    def test_repeated_is_the_same_payment(self, invoice):
        first = pay(invoice.payer, 60)
        again = pay(invoice.payer, 60, now=MAY_2)

        assert first == again
        assert covered([invoice]) == [60]

    @pytest.mark.parametrize("amount", ["60.01", "59"])
    def test_refuses_a_known_reference_with_another_amount(self, invoice, amount):
        pay(invoice.payer, 60)

        with pytest.raises(PaymentDiffers):
            pay(invoice.payer, amount)

    def test_refuses_a_known_reference_for_another_payer(self, invoice):
        pay(invoice.payer, 60)

        with pytest.raises(PaymentDiffers):
            pay(make_agency("OTHER"), 60)

    def test_takes_the_same_reference_of_another_processor(self, invoice):
        pay(invoice.payer, 60)
        pay(invoice.payer, 60, processor="other")

        assert Payment.objects.count() == 2

    @pytest.mark.parametrize(
        "amount", ["0", "-1", "0.001", "NaN", "Infinity", "100000000000000"]
    )
    def test_refuses_what_is_no_amount(self, invoice, amount):
        with pytest.raises(BadAmount):
            pay(invoice.payer, amount)

    @pytest.mark.parametrize("reference", ["", " ", "a\x00b", "x" * 201])
    def test_refuses_what_is_no_reference(self, invoice, reference):
        with pytest.raises(BadReference):
            pay(invoice.payer, 1, reference)

    def test_refuses_another_currency(self, invoice):
        with pytest.raises(WrongCurrency):
            pay(invoice.payer, 1, currency="EUR")

    def test_refuses_the_invoice_of_somebody_else(self, invoice):
        with pytest.raises(InvoiceNotOfPayer) as refused:
            pay(make_agency("OTHER"), 1, document=invoice)

        assert refused.value.field == "invoice"


class TestVoid:
    def test_is_refused_once_something_is_covered(self, invoice):
        pay(invoice.payer, 1)

        with pytest.raises(MoneyInvolved):
            void_document(document_id=invoice.pk, actor="t", reason="test", now=MAY_2)

        assert states(invoice.payer) == ["open"]


class TestCreditNote:
    @pytest.fixture
    def corrected(self, invoice):
        """Who will have had no seats in March, but for a day."""
        return invoice.payer

    def take_all_back(self, payer):
        remove_seats(
            seats=list(Seat.objects.filter(agency=payer)), on=MARCH, actor="t",
            now=APRIL_2, staff=True, reason="test",
        )  # fmt: skip
        bill(APRIL)
        return documents_of(payer)[-1]

    def test_goes_to_the_oldest_open_invoice(self, corrected):
        note = self.take_all_back(corrected)

        assert note.total < 0
        assert note.state == "paid"
        invoice = documents_of(corrected)[0]
        assert covered([invoice]) == [-note.total]
        assert customer_credit(corrected.pk) == 0

    def test_that_covers_something_cannot_be_voided(self, corrected):
        note = self.take_all_back(corrected)

        with pytest.raises(NotVoidable):
            void_document(document_id=note.pk, actor="t", reason="test", now=MAY_2)

    def test_frees_money_where_everything_is_paid(self, corrected):
        pay(corrected, 100)

        note = self.take_all_back(corrected)

        assert states(corrected) == ["paid", "paid"]
        assert customer_credit(corrected.pk) == -note.total
        assert verify_everything().findings == []

    def test_frees_no_more_than_was_captured(self, corrected):
        pay(corrected, 30)

        note = self.take_all_back(corrected)

        invoice = documents_of(corrected)[0]
        assert customer_credit(corrected.pk) == 30 - (100 + note.total)
        assert covered([invoice]) == [100]

    def test_of_what_was_written_off_gives_nothing_back(self, corrected):
        Document.objects.filter(payer=corrected).update(state="uncollectible")

        self.take_all_back(corrected)

        assert customer_credit(corrected.pk) == 0
        assert not Allocation.objects.exclude(credit_note=None).exclude(
            document=documents_of(corrected)[0]
        )


def covered(documents):
    return [
        sum(
            allocation.amount
            for allocation in Allocation.objects.filter(document=document)
        )
        for document in documents
    ]
