"""Refund attempts: amount reserved, sent once per key, and recorded."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.models.refunds import RefundAttempt, RefundAttemptChange
from billing.collection.services.dispatch import claim_calls, make_call, record_outcome
from billing.collection.services.inbound_events import process_events
from billing.collection.services.refund_requests import (
    REFUNDS,
    RefundByHand,
    refund_due,
    request_refund,
)
from billing.collection.verification.money import verify_everything
from billing.processors.domain.port import ProcessorOutcome
from billing.receivables.models import Refund
from billing.receivables.queries.positions import customer_credit
from billing.receivables.services.refunds import (
    MoreThanCaptured,
    RefundDiffers,
    refund_payment,
)
from billing.receivables.services.refusals import BadAmount
from billing.webhooks.models import OutboxEvent
from core.errors import ReasonMissing
from tests.billing.collection.answering import post, refund_event_body, signed
from tests.billing.collection.processors import FakeProcessor
from tests.build import MAY_2, documents_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


def faults(*kinds):
    rest = iter(kinds)
    return lambda: next(rest, "ok")


def by_hand(payment, amount, reference="by hand"):
    return refund_payment(
        payment=payment, amount=Decimal(amount), reference=reference, reason="test",
        actor="staff", now=MAY_2,
    )  # fmt: skip


def types(payer):
    events = OutboxEvent.objects.filter(stream__agency=payer).order_by("sequence")
    return list(events.values_list("type", flat=True))


def quarantined():
    return list(
        ProcessorEvent.objects.filter(state="quarantined").values_list(
            "last_error", flat=True
        )
    )


@pytest.fixture
def ask(captured, clock):
    """Request a refund of the payment."""

    def asking(amount=50, reason="test", **changes):
        arguments = {"payment": captured, "actor": "staff", "now": clock(), **changes}
        return request_refund(amount=Decimal(amount), reason=reason, **arguments)

    return asking


@pytest.fixture
def fake():
    return FakeProcessor()


@pytest.fixture
def sweep(fake, clock):
    return lambda: refund_due(clock=clock, connect=lambda _: fake)


@pytest.fixture
def tell(client, processor, clock):
    """Post an event of the processor, and process it."""

    def telling(body):
        answer = post(client, processor, body, signed(processor, body, clock()))
        assert answer.status_code == 204
        process_events(now=clock.forward(minutes=1))

    return telling


class TestRequestRefund:
    def test_sets_the_amount_aside_and_says_so(self, captured, ask):
        attempt = ask(100)

        assert (attempt.state, attempt.processor.code) == ("created", "acme")
        assert types(captured.payer)[-1] == "refund.requested"
        for more in (ask, lambda amount: by_hand(captured, amount)):
            with pytest.raises(MoreThanCaptured):
                more("30.01")
        by_hand(captured, 30)
        assert not Refund.objects.filter(amount=100).exists()

    def test_of_money_that_no_processor_holds_is_for_people(self, captured, ask, db):
        captured.processor = "manual"
        with pytest.raises(RefundByHand):
            ask()
        captured.processor = "gone"
        with pytest.raises(RefundByHand):
            ask()

    def test_refuses_no_reason_and_no_amount(self, ask):
        with pytest.raises(ReasonMissing):
            ask(reason="")
        with pytest.raises(BadAmount):
            ask(0)

    def test_is_one_for_a_reference_of_who_asks(self, ask):
        assert ask(50, reference="r1") == ask(50, reference="r1")
        with pytest.raises(RefundDiffers):
            ask(51, reference="r1")
        assert ask(50, reference="r2").pk != ask(30).pk

    def test_above_what_was_captured_is_refused_by_the_database_too(
        self, captured, ask, processor
    ):
        ask(100)

        with pytest.raises(IntegrityError, match="what is left"), transaction.atomic():
            RefundAttempt.objects.create(
                payment=captured, processor=processor, amount=31, currency="USD",
                reason="x", actor="x", requested_at=MAY_2, changed_at=MAY_2, next_attempt_at=MAY_2,
            )  # fmt: skip

    def test_lets_nobody_change_the_amount_or_the_history(self, ask):
        attempt = ask()

        for change in (
            lambda: RefundAttempt.objects.filter(pk=attempt.pk).update(amount=1),
            lambda: RefundAttemptChange.objects.all().delete(),
        ):
            with pytest.raises(ProgrammingError), transaction.atomic():
                change()
        with pytest.raises(IntegrityError), transaction.atomic():
            RefundAttempt.objects.filter(pk=attempt.pk).update(
                state="succeeded", reference="x", sends=1, first_sent_at=MAY_2
            )


class TestRefundDue:
    def test_records_the_refund_with_the_success(self, captured, ask, fake, sweep):
        attempt = ask(50)

        assert sweep() == 1

        attempt.refresh_from_db()
        refund = Refund.objects.get()
        assert (attempt.state, refund.reference) == ("succeeded", "re_1")
        assert refund.amount == 50
        assert (refund.actor, refund.reason) == ("staff", "test")
        assert [d.state for d in documents_of(captured.payer)] == ["open"]
        kinds = ["refund.requested", "invoice.reopened", "payment.refunded"]
        assert types(captured.payer)[-3:] == kinds
        states = attempt.changes.values_list("state", flat=True)
        assert list(states) == ["created", "sent", "succeeded"]
        assert verify_everything().findings == []
        assert sweep() == 0

    @pytest.mark.parametrize("fault", ["hard", "soft", "refused"])
    def test_gives_the_amount_free_where_nothing_went_back(
        self, captured, ask, fake, sweep, fault
    ):
        fake.faults = faults(fault)
        attempt = ask(130)

        sweep()

        attempt.refresh_from_db()
        assert attempt.state == "failed"
        assert types(captured.payer)[-1] == "refund.failed"
        assert customer_credit(captured.payer_id) == 30
        assert ask(130).state == "created"

    def test_looks_an_unknown_one_up_before_it_is_sent_again(
        self, ask, fake, sweep, clock
    ):
        fake.faults = faults("hung")
        attempt = ask()
        sweep()
        clock.forward(minutes=6)

        sweep()

        attempt.refresh_from_db()
        assert (attempt.state, len(fake.calls), fake.looks) == ("succeeded", 1, 1)

    def test_sends_what_was_lost_again_under_its_key_within_a_day(
        self, ask, fake, sweep, clock
    ):
        fake.faults = faults("lost", "lost", "lost")
        attempt = ask()
        sweep()
        clock.forward(minutes=6)
        sweep()
        clock.forward(hours=23)

        sweep()

        attempt.refresh_from_db()
        assert attempt.state == "unknown"
        assert [key for key, _ in fake.calls] == [attempt.public_id] * 2
        assert fake.refunds == []

    def test_does_not_send_what_is_not_left_any_more(self, captured, ask, sweep, fake):
        attempt = ask(130)
        refund_payment(
            payment=captured, amount=Decimal(1), reference="re_0", reason="there",
            actor="acme", now=MAY_2, completed=True,
        )  # fmt: skip

        assert sweep() == 0

        attempt.refresh_from_db()
        assert (attempt.state, fake.calls) == ("failed", [])

    def test_sends_again_what_certainly_never_arrived(self, ask, sweep, fake, clock):
        fake.faults = faults("lost")
        attempt = ask()
        sweep()
        clock.forward(minutes=6)
        refund_due(clock=clock, connect=lambda _: Forgetful(fake))

        attempt.refresh_from_db()
        assert (attempt.state, len(fake.calls)) == ("succeeded", 2)

    def test_has_failed_what_never_arrived_and_is_not_sent_again(
        self, ask, sweep, fake, clock
    ):
        fake.faults = faults("lost")
        attempt = ask()
        sweep()
        clock.forward(hours=24)
        refund_due(clock=clock, connect=lambda _: Forgetful(fake))

        attempt.refresh_from_db()
        assert (attempt.state, len(fake.calls)) == ("failed", 1)

    def test_leaves_open_a_success_that_does_not_fit(self, captured, ask, fake, clock):
        attempt = ask(130)
        (call,) = claim_calls(REFUNDS, now=clock(), limit=8)
        outcome = make_call(call, lambda _: fake, clock)
        refund_payment(
            payment=captured, amount=Decimal(1), reference="re_0", reason="there",
            actor="acme", now=MAY_2, completed=True,
        )  # fmt: skip

        record_outcome(call=call, outcome=outcome, now=clock())

        attempt.refresh_from_db()
        assert attempt.state == "sent"
        assert attempt.last_error.startswith(
            "contradiction: 130.00 USD is more than the 129.00 USD of payment acme ch_9"
            " that can be returned"
        )
        assert attempt.next_attempt_at == clock() + timedelta(minutes=5)
        assert verify_everything().findings == []

    def test_believes_no_reference_of_another_attempt(self, ask, sweep, clock):
        ask(50)
        sweep()
        attempt = ask(30)
        (call,) = claim_calls(REFUNDS, now=clock(), limit=8)

        record_outcome(
            call=call, outcome=ProcessorOutcome("succeeded", "re_1"), now=clock()
        )

        attempt.refresh_from_db()
        assert (attempt.state, Refund.objects.count()) == ("sent", 1)
        assert "already belongs to another attempt" in attempt.last_error


class Forgetful:
    """A processor that reports for certain that it never received the refund."""

    def __init__(self, behind):
        self.refund = behind.refund

    def look_up_refund(self, request, *, at):
        return ProcessorOutcome("absent", reason="never arrived")


class TestTakeRefundTold:
    @pytest.fixture
    def sent(self, ask, clock):
        made = ask(50)
        claim_calls(REFUNDS, now=clock(), limit=8)
        return made

    def test_records_what_succeeded_in_any_order(self, sent, tell):
        for kind in ("succeeded", "pending", "succeeded"):
            tell(refund_event_body(sent, kind, reference="re_1"))

        sent.refresh_from_db()
        assert (sent.state, Refund.objects.get().reference) == ("succeeded", "re_1")
        assert quarantined() == []

    def test_ends_what_failed(self, captured, sent, tell):
        tell(
            refund_event_body(sent, "failed", reference="re_1", reason="closed account")
        )

        sent.refresh_from_db()
        assert (sent.state, sent.last_error) == ("failed", "closed account")
        assert types(captured.payer)[-1] == "refund.failed"

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": "49"}, {"currency": "EUR"}, {"payment": "ch_8"},
            {"payment": "a\0b"}, {"reference": ""}, {"reference": "a\0b"},
            {"amount": "NaN"}, {"refund": "018f0000-0000-7000-8000-000000000000"},
            {"refund": "nobody"},
        ],
    )  # fmt: skip
    def test_sets_apart_what_does_not_fit(self, sent, tell, changes):
        tell(refund_event_body(sent, "succeeded", **{"reference": "re_1", **changes}))

        assert len(quarantined()) == 1
        assert not Refund.objects.exists()

    def test_sets_apart_one_that_failed_after_it_had_succeeded(self, sent, tell):
        tell(refund_event_body(sent, "succeeded", reference="re_1"))
        tell(refund_event_body(sent, "failed", reference="re_1"))

        assert "already succeeded; it cannot become failed" in quarantined()[0]

    def test_does_not_take_the_answer_of_another_processor(
        self, client, sent, other, clock
    ):
        body = refund_event_body(sent, "succeeded", reference="re_1")
        post(client, other, body, signed(other, body, clock()))

        process_events(now=clock.forward(minutes=1))

        assert len(quarantined()) == 1

    def begun_there(self, kind="succeeded", **changes):
        data = {"payment": "ch_9", "amount": "30", "currency": "USD",
                "reference": "re_7", **changes}  # fmt: skip
        return json.dumps({"type": f"refund.{kind}", "data": data}).encode()

    def test_records_once_what_was_begun_at_the_processor(self, captured, tell):
        for kind in ("pending", "succeeded", "succeeded"):
            tell(self.begun_there(kind))

        refund = Refund.objects.get()
        assert (refund.payment, refund.actor) == (captured, "acme")
        assert refund.amount == 30
        assert refund.reason == "begun at the processor"
        assert quarantined() == []
        assert verify_everything().findings == []

    def test_of_what_was_begun_there_asks_nobody_who_asked_here(
        self, captured, sent, tell
    ):
        tell(self.begun_there(amount="100"))

        assert Refund.objects.get().amount == 100
        tell(refund_event_body(sent, "succeeded", reference="re_1"))
        assert "that can be returned" in quarantined()[0]
        sent.refresh_from_db()
        assert sent.state == "sent"

    @pytest.mark.parametrize(
        "changes",
        [{"amount": "130.01"}, {"amount": "0.001"}, {"amount": "-1"},
         {"currency": "EUR"}, {"currency": "???"}, {"reference": ""}],
    )  # fmt: skip
    def test_sets_apart_what_was_begun_there_and_does_not_fit(
        self, captured, tell, changes
    ):
        tell(self.begun_there(**changes))

        assert len(quarantined()) == 1
        assert not Refund.objects.exists()

    def test_sets_apart_what_was_begun_there_and_failed_after_all(self, captured, tell):
        tell(self.begun_there("failed", reference="re_6"))
        assert quarantined() == []

        tell(self.begun_there())
        tell(self.begun_there("failed"))

        assert "but the processor reports that it failed" in quarantined()[0]
