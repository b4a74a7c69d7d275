"""Payment attempts: claimed, sent once per key, looked up, never charged twice."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from billing.collection.models.attempts import AttemptChange, PaymentAttempt
from billing.collection.services.attempts import ChargeUnderWay, NothingToCharge
from billing.collection.services.charges import CHARGES, charge_due
from billing.collection.services.dispatch import claim_calls, make_call, record_outcome
from billing.collection.services.outcomes import apply_charge_outcome
from billing.collection.services.recording import Contradiction
from billing.collection.verification.money import verify_everything
from billing.invoicing.services.documents import void_document
from billing.processors.domain.port import ProcessorOutcome
from billing.processors.services.processors import ProcessorExists, add_processor
from billing.receivables.models import Payment
from billing.receivables.services.payments import receive_payment
from billing.webhooks.models import OutboxEvent
from tests.billing.collection.processors import FakeProcessor
from tests.build import APRIL_2

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


def faults(*kinds):
    rest = iter(kinds)
    return lambda: next(rest, "ok")


def states(attempt):
    return list(
        AttemptChange.objects.filter(attempt=attempt).values_list("state", flat=True)
    )


def types(payer):
    events = OutboxEvent.objects.filter(stream__agency=payer).order_by("sequence")
    return list(events.values_list("type", flat=True))


def pay_by_hand(invoice, amount):
    receive_payment(
        payer=invoice.payer, amount=Decimal(amount), currency="USD", processor="manual",
        reference="wire", now=APRIL_2,
    )  # fmt: skip


@pytest.fixture
def fake():
    return FakeProcessor()


@pytest.fixture
def sweep(fake, clock):
    return lambda: charge_due(clock=clock, connect=lambda _: fake)


class TestAddProcessor:
    @pytest.mark.parametrize("code", ["acme", "manual"])
    def test_refuses_a_code_that_is_known(self, processor, code):
        with pytest.raises(ProcessorExists):
            add_processor(
                code=code, url="https://pay.example.com", actor="test", now=APRIL_2
            )


class TestRequestCharge:
    def test_is_over_what_is_left_to_pay(self, invoice, charge):
        pay_by_hand(invoice, 30)

        attempt = charge()

        assert (attempt.amount, attempt.state) == (70, "created")
        assert types(invoice.payer)[-1] == "payment.attempted"

    def test_refuses_an_invoice_that_is_paid(self, invoice, charge):
        pay_by_hand(invoice, 100)

        with pytest.raises(NothingToCharge):
            charge()

    def test_refuses_a_second_while_one_is_open(self, charge):
        charge()

        with pytest.raises(ChargeUnderWay):
            charge()

    def test_keeps_the_document_from_being_voided(self, invoice, charge):
        charge()

        with pytest.raises(ChargeUnderWay):
            void_document(
                document_id=invoice.pk, actor="test", reason="wrong", now=APRIL_2
            )

    def test_leaves_the_last_word_on_one_open_attempt_to_the_database(self, charge):
        attempt = charge()

        with pytest.raises(IntegrityError), transaction.atomic():
            PaymentAttempt.objects.create(
                invoice=attempt.invoice, processor=attempt.processor, amount=1,
                currency="USD", actor="test", requested_at=APRIL_2,
                changed_at=APRIL_2, next_attempt_at=APRIL_2,
            )  # fmt: skip


class TestTransitions:
    @pytest.mark.parametrize("state", ["succeeded", "pending", "unknown"])
    def test_refuses_what_is_not_in_the_table(self, charge, state):
        attempt = charge()

        with pytest.raises(IntegrityError), transaction.atomic():
            PaymentAttempt.objects.filter(pk=attempt.pk).update(
                state=state, reference="x", sends=1, first_sent_at=APRIL_2
            )

    def test_lets_nobody_change_the_amount_or_the_history(self, charge):
        attempt = charge()

        for change in (
            lambda: PaymentAttempt.objects.filter(pk=attempt.pk).update(amount=1),
            lambda: AttemptChange.objects.all().delete(),
        ):
            with pytest.raises(ProgrammingError), transaction.atomic():
                change()


class TestChargeDue:
    def test_records_the_payment_with_the_success(self, invoice, charge, fake, sweep):
        attempt = charge()

        assert sweep() == 1

        attempt.refresh_from_db()
        invoice.refresh_from_db()
        payment = Payment.objects.get()
        assert (attempt.state, invoice.state) == ("succeeded", "paid")
        assert (payment.processor, payment.reference) == ("acme", "ch_1")
        assert states(attempt) == ["created", "sent", "succeeded"]
        assert verify_everything().findings == []
        assert sweep() == 0

    @pytest.mark.parametrize(
        ("fault", "state"),
        [("hard", "declined_hard"), ("soft", "declined_soft"), ("refused", "failed")],
    )
    def test_tells_of_a_charge_that_did_not_happen(
        self, invoice, charge, fake, sweep, fault, state
    ):
        fake.faults = faults(fault)
        attempt = charge()

        sweep()

        attempt.refresh_from_db()
        assert attempt.state == state
        event = OutboxEvent.objects.get(type="payment.failed")
        assert event.payload["result"] == state
        assert charge().state == "created"  # and another may be made

    def test_looks_an_unknown_one_up_before_it_is_sent_again(
        self, charge, fake, sweep, clock
    ):
        fake.faults = faults("hung")
        attempt = charge()
        sweep()
        clock.forward(minutes=4)
        assert sweep() == 0

        clock.forward(minutes=2)
        sweep()

        attempt.refresh_from_db()
        assert (attempt.state, len(fake.calls), fake.looks) == ("succeeded", 1, 1)
        assert states(attempt) == ["created", "sent", "unknown", "succeeded"]

    def test_sends_what_was_lost_again_under_its_key(self, charge, fake, sweep, clock):
        fake.faults = faults("lost", "ok")
        attempt = charge()
        sweep()
        clock.forward(minutes=6)

        sweep()

        attempt.refresh_from_db()
        assert attempt.state == "succeeded"
        assert {key for key, _ in fake.calls} == {attempt.public_id}
        assert len(fake.journal) == 1

    def test_never_sends_again_after_a_day(self, charge, fake, sweep, clock):
        fake.faults = faults("hung")
        fake.blind = True
        attempt = charge()
        sweep()
        clock.forward(hours=23)
        for _ in range(5):
            sweep()
            clock.forward(days=1, minutes=1)

        attempt.refresh_from_db()
        assert (attempt.state, len(fake.calls), attempt.sends) == ("unknown", 1, 1)
        assert fake.looks == 5
        fake.blind = False
        sweep()
        attempt.refresh_from_db()
        assert attempt.state == "succeeded"

    def test_does_not_charge_what_was_paid_meanwhile(
        self, invoice, charge, fake, sweep
    ):
        attempt = charge()
        pay_by_hand(invoice, 100)

        sweep()

        attempt.refresh_from_db()
        assert (attempt.state, fake.calls) == ("failed", [])

    def test_takes_a_failure_after_an_unknown_one_for_unknown(
        self, charge, fake, sweep, clock
    ):
        fake.faults = faults("hung", "lost", "refused")
        attempt = charge()
        sweep()
        clock.forward(minutes=6)

        sweep()

        attempt.refresh_from_db()
        assert attempt.state == "unknown"

    def test_keeps_what_a_killed_worker_charged(self, charge, fake, sweep, clock):
        attempt = charge()
        (call,) = claim_calls(CHARGES, now=clock(), limit=8)
        make_call(call, lambda _: fake, clock)  # and dies before it can record it
        assert sweep() == 0
        clock.forward(minutes=3)

        sweep()

        attempt.refresh_from_db()
        assert (attempt.state, len(fake.journal)) == ("succeeded", 1)
        assert states(attempt) == ["created", "sent", "unknown", "succeeded"]
        assert verify_everything().findings == []

    def test_does_not_send_when_its_lease_is_over(self, charge, fake, clock):
        charge()
        (call,) = claim_calls(CHARGES, now=clock(), limit=8)
        clock.forward(minutes=3)

        outcome = make_call(call, lambda _: fake, clock)

        assert (outcome.kind, fake.calls) == ("unknown", [])


class TestRecordOutcome:
    def test_believes_a_late_caller_only_a_success(self, charge, clock):
        attempt = charge()
        (late,) = claim_calls(CHARGES, now=clock(), limit=8)
        clock.forward(minutes=3)
        claim_calls(CHARGES, now=clock(), limit=8)

        record_outcome(call=late, outcome=ProcessorOutcome("failed"), now=clock())
        attempt.refresh_from_db()
        assert attempt.state == "unknown"

        record_outcome(
            call=late, outcome=ProcessorOutcome("succeeded", "c1"), now=clock()
        )
        attempt.refresh_from_db()
        assert (attempt.state, Payment.objects.count()) == ("succeeded", 1)


class TestTakeOutcome:
    def test_refuses_another_success_and_passes_over_an_older_failure(
        self, charge, sweep, clock
    ):
        attempt = charge()
        sweep()

        apply_charge_outcome(
            attempt=attempt, outcome=ProcessorOutcome("succeeded", "ch_1"), now=clock()
        )
        other = ProcessorOutcome("succeeded", "ch_2")
        with pytest.raises(Contradiction):
            apply_charge_outcome(attempt=attempt, outcome=other, now=clock())
        late = apply_charge_outcome(
            attempt=attempt, outcome=ProcessorOutcome("failed"), now=clock()
        )
        assert (late.state, Payment.objects.count()) == ("succeeded", 1)

    def test_asks_at_wider_and_wider_pauses(self, charge, fake, sweep, clock):
        fake.faults = lambda: "lost"
        attempt = charge()
        pauses = []
        for _ in range(4):
            sweep()
            attempt.refresh_from_db()
            pauses.append(attempt.next_attempt_at - clock())
            clock.now = attempt.next_attempt_at

        day = timedelta(days=1)
        assert pauses == [timedelta(minutes=5), timedelta(hours=1), day, day]
