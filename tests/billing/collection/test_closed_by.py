"""Who closed an attempt by hand is a column; its error is a text for people."""

from decimal import Decimal

import pytest
from django.core.management import call_command

from billing.collection.api.serializers import AttemptOut
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import make_due_calls
from billing.collection.services.manual_resolution import close_attempt
from billing.collection.services.outcomes import apply_charge_outcome
from billing.collection.services.recording import Contradiction
from billing.collection.services.refund_requests import REFUNDS, request_refund
from billing.processors.domain.port import ProcessorOutcome
from billing.processors.services.processors import add_processor
from billing.receivables.services.payments import receive_payment
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

BY_THE_BANK = ProcessorOutcome("failed", reason="by the bank: account closed")


def lose_answer(calls, clock):
    """Send what is due, lose the answer, and wait a day."""
    fake = FakeProcessor(faults=lambda: "lost")
    make_due_calls(calls, clock=clock, connect=lambda _: fake)
    clock.forward(hours=24)


def close(attempt, outcome, clock, reference=""):
    close_attempt(
        attempt=attempt, outcome=outcome, reason="seen there", actor="staff",
        now=clock(), reference=reference,
    )  # fmt: skip
    attempt.refresh_from_db()


@pytest.mark.django_db
class TestClosedBy:
    @pytest.fixture
    def stuck(self, charge, clock):
        attempt = charge()
        lose_answer(CHARGES, clock)
        attempt.refresh_from_db()
        return attempt

    def test_is_who_closed_the_attempt(self, stuck, clock):
        close(stuck, "failed", clock)

        assert (stuck.closed_by, stuck.last_error) == ("staff", "by staff: seen there")
        assert AttemptOut(stuck).data["error"] == "by hand"

    def test_is_empty_whatever_the_processor_gives_as_its_reason(self, stuck, clock):
        after = apply_charge_outcome(attempt=stuck, outcome=BY_THE_BANK, now=clock())

        assert (after.state, after.closed_by) == ("failed", "")
        assert AttemptOut(after).data["error"] == "by the bank: account closed"

    def test_is_empty_again_once_the_processor_reports_a_success(self, stuck, clock):
        close(stuck, "failed", clock)

        apply_charge_outcome(
            attempt=stuck, outcome=ProcessorOutcome("succeeded", "ch_1"), now=clock()
        )

        stuck.refresh_from_db()
        assert (stuck.state, stuck.closed_by) == ("succeeded", "")

    def test_makes_a_failure_after_the_success_contradict_it(self, stuck, clock):
        close(stuck, "succeeded", clock, "ch_1")

        with pytest.raises(Contradiction):
            apply_charge_outcome(attempt=stuck, outcome=BY_THE_BANK, now=clock())

    def test_is_not_read_from_the_reason_of_a_success(self, stuck, clock):
        reported = ProcessorOutcome("succeeded", "ch_1", "by card: visa 4242")
        apply_charge_outcome(attempt=stuck, outcome=reported, now=clock())

        late = apply_charge_outcome(attempt=stuck, outcome=BY_THE_BANK, now=clock())

        assert (late.state, late.closed_by) == ("succeeded", "")


def migrate(owner_cursor, *name):
    owner_cursor.connection.commit()
    call_command("migrate", "billing", *name, database="owner", verbosity=0)


@pytest.mark.usefixtures("at_once")
class TestMigration:
    @pytest.fixture
    def processor(self, fresh_database):
        return add_processor(
            code="acme", url="https://pay.example.com/hook", actor="test", now=APRIL_2
        )[0]

    @pytest.fixture
    def invoices(self, at_once, fresh_database):
        make_prices()
        payers = [make_agency(code) for code in ("BAY", "BYE", "SUN")]
        for payer in payers:
            make_seats(payer, "ana")
        bill(MARCH)
        return [documents_of(payer)[0] for payer in payers]

    def test_fills_it_from_the_error_of_attempts_closed_before(
        self, owner_cursor, invoices, processor
    ):
        clock = Clock()
        won, lost, reported = [
            request_charge(
                invoice=invoice, processor=processor, actor="test", now=clock()
            )
            for invoice in invoices
        ]
        payment = receive_payment(
            payer=invoices[0].payer, amount=Decimal(9), currency="USD",
            processor="acme", reference="ch_9", now=clock(),
        )  # fmt: skip
        refund = request_refund(
            payment=payment, amount=Decimal(9), reason="test", actor="staff",
            now=clock(),
        )  # fmt: skip
        for calls in (CHARGES, REFUNDS):
            lose_answer(calls, clock)
        close(won, "succeeded", clock, "ch_1")
        close(lost, "failed", clock)
        close(refund, "succeeded", clock, "re_1")
        declined = ProcessorOutcome("failed", reason="no route")
        apply_charge_outcome(attempt=reported, outcome=declined, now=clock())

        migrate(owner_cursor, "0027")
        owner_cursor.execute(
            "SELECT count(*) FROM information_schema.columns"
            " WHERE column_name = 'closed_by' AND table_name LIKE 'billing_%attempt'"
        )
        assert owner_cursor.fetchone() == (0,)
        migrate(owner_cursor)

        attempts = PaymentAttempt.objects.values_list("pk", "closed_by")
        assert dict(attempts) == {won.pk: "staff", lost.pk: "staff", reported.pk: ""}
        assert RefundAttempt.objects.get().closed_by == "staff"
        with pytest.raises(Contradiction):
            apply_charge_outcome(attempt=won, outcome=declined, now=clock())
        after = apply_charge_outcome(
            attempt=lost, outcome=ProcessorOutcome("succeeded", "ch_2"), now=clock()
        )
        assert (after.state, after.closed_by) == ("succeeded", "")
