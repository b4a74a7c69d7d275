"""Whole histories of payers that do not pay, told day by day."""

from decimal import Decimal

import pytest

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.methods import remove_method
from billing.collection.verification.money import verify_everything
from billing.dunning.models import DunningCase
from billing.invoicing.models.documents import Document
from billing.invoicing.services.documents import void_document
from billing.processors.domain.port import DisputeUpdate
from billing.receivables.services.refunds import refund_payment
from seats.roster.services.seats import cancel_seats
from tests.billing.dunning.conftest import (
    DUE,
    allowed,
    day,
    kinds,
    newest_attempt,
    pay,
    published_types,
    the_case,
)
from tests.build import APRIL, MARCH, bill, documents_of

pytestmark = pytest.mark.django_db
SCHEDULED, RETRIED, ENDED = "retry_scheduled", "retried", "ended"
NEEDED, OVERDUE, SUSPENDED = "payment_method_needed", "overdue", "suspended"


class TestSoftDeclines:
    def test_are_tried_again_until_one_succeeds(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["soft", "soft"]

        for number in range(12):
            days.at(number)

        assert days.charges == [0, 3, 8]
        assert kinds(payer) == [
            "started", SCHEDULED, RETRIED, SCHEDULED, RETRIED, ENDED,
        ]  # fmt: skip
        assert the_case().state == "closed"
        assert documents_of(payer)[0].state == "paid"
        assert verify_everything().findings == []

    def test_end_in_a_suspension_that_a_payment_lifts_at_once(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["soft"] * 9

        for number in range(40):
            days.at(number)
            if number == 28:
                assert allowed(payer, days.now) is True

        assert days.charges == [0, 3, 8, 15, 22]
        assert kinds(payer)[-2:] == [OVERDUE, SUSPENDED]
        assert the_case().since == day(29)
        assert allowed(payer, days.now) == ["suspended"]

        pay(payer, 100, days.now)

        assert allowed(payer, days.now) is True
        assert (the_case().state, kinds(payer)[-1]) == ("closed", ENDED)
        assert published_types(payer)[-3:] == [
            "account.outbound_suspended", "dunning.ended", "account.suspension_lifted",
        ]  # fmt: skip

    def test_wait_for_a_charge_of_which_nobody_knows(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["soft", "hung"]
        days.at(0)
        days.fake.blind = True

        for number in (3, 8, 15, 30):
            days.at(number)

        assert newest_attempt().state == "unknown"
        assert kinds(payer) == ["started", SCHEDULED, RETRIED]

        days.fake.blind = False
        days.at(32)

        assert kinds(payer)[-1] == ENDED
        assert len(days.fake.journal) == 1

    def test_are_not_all_made_up_for_after_an_outage(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["soft"] * 9
        days.at(0)

        days.at(60)
        days.sweep()

        assert days.charges == [0, 60]
        assert the_case().retry_at == day(65)
        for number in range(61, 86):
            days.at(number)
        assert days.charges == [0, 60, 65, 72, 79]
        assert kinds(payer)[-1] == OVERDUE


class TestHardDeclines:
    def test_are_not_tried_again_by_the_same_method(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["hard"]

        for number in range(14):
            days.at(number)

        assert days.charges == [0]
        assert kinds(payer) == ["started", NEEDED]
        assert (the_case().state, the_case().escalate_at) == ("waiting", DUE)

    def test_are_tried_at_once_by_a_new_one(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["hard", "soft", "soft"]
        days.at(0)

        second = card(day(5))
        days.at(5)

        assert days.charges == [0, 5]
        assert newest_attempt().method == second
        assert (the_case().retries, the_case().retry_at) == (1, day(8))

    def test_are_not_made_up_for_by_saving_cards_that_fail(self, payer, card, days):
        """A new card is tried; it moves no deadline."""
        bill(MARCH)
        card()
        days.faults = ["hard"] * 30

        for number in range(0, 30, 2):
            days.at(number)
            card(days.now)
            days.sweep()

        assert the_case().state == "suspended"
        assert kinds(payer).count(SUSPENDED) == 1

    def test_leave_the_other_invoices_of_a_card_alone(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["hard"]
        days.at(0)
        bill(APRIL)

        for number in (32, 33):
            days.at(number)

        assert days.charges == [0]
        assert the_case().state == OVERDUE


class TestLostDisputes:
    def test_are_not_charged_again_by_the_card_that_was_disputed(
        self, payer, card, days, processor
    ):
        card()
        bill(MARCH)
        days.at(0)
        (payment,) = payer.payments.all()
        update = DisputeUpdate(payment.reference, "dp_1", Decimal(100), "USD", "lost")
        apply_dispute_update(processor=processor, update=update, now=day(20))
        bill(APRIL)

        for number in range(20, 42):
            days.at(number)

        assert days.charges == [0]
        assert the_case().state == SUSPENDED
        card(day(45))
        days.at(45)
        assert days.charges == [0, 45, 45]
        assert allowed(payer, days.now) is True


class TestWithoutMethod:
    def test_is_overdue_at_the_due_date_and_suspended_after_the_grace(
        self, payer, days
    ):
        bill(MARCH)
        days.at(13.9)
        assert not DunningCase.objects.exists()

        days.at(14)
        assert kinds(payer) == ["started", OVERDUE]
        days.at(20.9)
        assert allowed(payer, days.now) is True
        days.at(21)

        assert kinds(payer) == ["started", OVERDUE, SUSPENDED]
        assert allowed(payer, days.now) == ["suspended"]

    def test_is_charged_by_a_first_method_at_once_while_it_is_suspended(
        self, payer, card, days
    ):
        bill(MARCH)
        days.at(14)
        days.at(21)

        card(day(22))
        days.at(22)

        assert days.charges == [22]
        assert allowed(payer, days.now) is True

    def test_goes_on_trying_a_method_that_is_declined_while_it_is_suspended(
        self, payer, card, days
    ):
        bill(MARCH)
        days.at(14)
        days.at(21)
        card(day(22))
        days.faults = ["soft", "soft"]

        for number in range(22, 31):
            days.at(number)
            assert (allowed(payer, days.now) is True) == (number == 30)

        assert days.charges == [22, 25, 30]
        assert the_case().state == "closed"

    def test_is_told_before_a_method_is_charged_for_what_was_refunded(
        self, payer, card, days
    ):
        card()
        bill(MARCH)
        days.at(0)
        (payment,) = payer.payments.all()
        refund_payment(
            payment=payment, amount=Decimal(100), reference="r", reason="test",
            actor="staff", now=day(20),
        )  # fmt: skip

        days.at(20)

        assert days.charges == [0]
        assert the_case().retry_at == day(23)

    def test_needs_another_where_the_method_is_taken_away(self, payer, card, days):
        method = card()
        bill(MARCH)
        days.faults = ["soft"]
        days.at(0)
        remove_method(method=method, actor="test", now=day(1))

        days.at(3)

        assert kinds(payer) == ["started", SCHEDULED, NEEDED]
        assert days.charges == [0]


class TestSeveralInvoices:
    def test_are_charged_the_oldest_first_and_the_next_at_once(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["hard"]
        days.at(0)
        bill(APRIL)
        days.at(31)
        march, april = documents_of(payer)

        card(day(32))
        days.at(32)

        charged = PaymentAttempt.objects.filter(actor="dunning").order_by("pk")
        assert [attempt.invoice_id for attempt in charged] == [march.pk, april.pk]
        assert [attempt.state for attempt in charged] == ["succeeded", "succeeded"]
        assert the_case().state == "closed"

    def test_lift_only_when_nothing_overdue_is_left(self, payer, days):
        bill(MARCH)
        for number in (14, 21):
            days.at(number)
        bill(APRIL)
        days.at(60)

        pay(payer, 100, days.now)
        assert allowed(payer, days.now) == ["suspended"]
        assert the_case().invoice == documents_of(payer)[1]
        pay(payer, 100, days.now)

        assert allowed(payer, days.now) is True

    def test_may_be_dialed_for_while_only_what_is_not_due_is_left(
        self, payer, card, days
    ):
        bill(MARCH)
        for number in (14, 21):
            days.at(number)
        card(day(29))
        days.faults = ["hard", "hard"]
        days.at(29)
        bill(APRIL)  # on day 30, charged by the card in vain, due on day 44
        days.at(31)

        pay(payer, 100, days.now)

        assert allowed(payer, days.now) is True
        assert the_case().state == "waiting"
        assert kinds(payer)[-2:] == ["lifted", NEEDED]


class TestEnds:
    def test_with_the_void_of_the_invoice(self, payer, days):
        bill(MARCH)
        days.at(14)

        void_document(
            document_id=documents_of(payer)[0].pk,
            actor="t",
            reason="wrong",
            now=day(15),
        )

        assert kinds(payer)[-1] == ENDED

    def test_with_the_next_sweep_after_a_write_off(self, payer, days):
        bill(MARCH)
        for number in (14, 21):
            days.at(number)
        Document.objects.filter(payer=payer).update(state="uncollectible")

        days.at(22)

        assert kinds(payer)[-1] == ENDED
        assert allowed(payer, days.now) is True

    def test_its_suspension_after_a_write_off_of_all_that_is_overdue(
        self, payer, card, days
    ):
        bill(MARCH)
        for number in (14, 21):
            days.at(number)
        card(day(29))
        days.faults = ["hard", "hard"]
        days.at(29)
        bill(APRIL)  # charged in vain, due on day 44
        march, _ = documents_of(payer)
        days.at(31)
        Document.objects.filter(pk=march.pk).update(state="uncollectible")

        days.at(32)

        assert allowed(payer, days.now) is True
        assert (the_case().state, kinds(payer)[-2:]) == ("waiting", ["lifted", NEEDED])

    def test_with_a_credit_note_that_covers_all(self, payer, days):
        bill(MARCH)
        days.at(14)
        cancel_seats(
            seats=list(payer.seats.all()), reason="never used", actor="t", now=day(20),
            staff=True,
        )  # fmt: skip

        bill(APRIL)

        assert kinds(payer)[-1] == ENDED

    def test_before_another_case_begins_anew(self, payer, days):
        bill(MARCH)
        days.at(14)
        pay(payer, 100, day(15))
        bill(APRIL)

        days.at(60)

        assert kinds(payer) == ["started", OVERDUE, ENDED, "started", OVERDUE]
        assert DunningCase.objects.count() == 2
