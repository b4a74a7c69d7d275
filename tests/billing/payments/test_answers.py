"""What processors tell us: signed, kept once, worked off in any order, or set apart."""

import itertools
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from billing.payments.models import Payment, PaymentAttempt, ProcessorEvent
from billing.payments.services.answers import (
    NotQuarantined,
    retry_events,
    work_off_events,
)
from billing.payments.services.calling import claim_calls
from billing.payments.services.charging import CHARGES
from billing.payments.services.closing import close_attempt
from billing.payments.services.connecting import connect
from billing.payments.verification import verify_everything
from tests.billing.payments.answering import post, signed, told_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt(charge, clock):
    """One that is sent."""
    made = charge()
    claim_calls(CHARGES, now=clock(), limit=8)
    return made


@pytest.fixture
def tell(client, processor, attempt, clock):
    """A signed answer, posted."""

    def telling(kind, event_id="", at=None, **changes):
        body = told_of(attempt, kind, **changes)
        headers = signed(processor, body, at or clock(), event_id)
        return post(client, processor, body, headers)

    return telling


def states():
    return list(ProcessorEvent.objects.order_by("pk").values_list("state", flat=True))


class Killed(BaseException):
    """What ends a process, and is nobody's to catch."""


@dataclass
class Breaking:
    """A processor of which one event breaks whoever reads it."""

    processor: Any
    body: bytes
    read_so_far: list[bytes]
    error: BaseException

    def read(self, body):
        self.read_so_far.append(body)
        if body == self.body:
            raise self.error
        return self.processor.read(body)


class TestProcessorWebhookView:
    def test_keeps_an_event_once_and_answers_at_once(self, tell, attempt):
        for _ in range(2):
            answer = tell("succeeded", "evt_1", reference="ch_1")
            assert (answer.status_code, answer.content) == (204, b"")

        event = ProcessorEvent.objects.get()
        attempt.refresh_from_db()
        assert (event.state, attempt.state) == ("received", "sent")

    def test_refuses_and_counts_another_body_under_the_same_id(self, tell, attempt):
        tell("succeeded", "evt_1", reference="ch_1")

        answer = tell("succeeded", "evt_1", reference="ch_2")

        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_id_reused")
        event = ProcessorEvent.objects.get()
        assert json.loads(bytes(event.body))["data"]["reference"] == "ch_1"
        assert (
            json.loads(bytes(event.conflict_body or b""))["data"]["reference"] == "ch_2"
        )
        assert (event.conflicts, event.state) == (1, "received")

    def test_takes_the_same_content_written_otherwise_for_the_same(
        self, client, processor, attempt, clock
    ):
        told = json.loads(told_of(attempt, "succeeded", reference="ch_1"))
        turned = dict(reversed(told.items()))
        for body in (told, turned):
            body = json.dumps(body, indent=len(body)).encode()
            headers = signed(processor, body, clock(), "evt_1")
            assert post(client, processor, body, headers).status_code == 204

        assert ProcessorEvent.objects.get().conflicts == 0

    def test_asks_to_come_again_while_our_keys_are_not_there(
        self, client, processor, attempt, clock, settings
    ):
        body = told_of(attempt, "succeeded", reference="ch_1")
        headers = signed(processor, body, clock())
        settings.WEBHOOKS = {**settings.WEBHOOKS, "SECRETS_KEYS": ["another"]}

        answer = post(client, processor, body, headers)

        assert (answer.status_code, answer.json()["code"]) == (
            503, "secrets_unreadable",
        )  # fmt: skip

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_refuses_what_was_not_signed_now(self, tell, clock, minutes):
        answer = tell("succeeded", at=clock() + timedelta(minutes=minutes))

        assert (answer.status_code, answer.json()["code"]) == (400, "not_signed")
        assert states() == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"webhook-signature": "v1"},
            {"webhook-signature": "v1,\u00e9"},
            {"webhook-signature": ""},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "9" * 40},
            {"webhook-id": "another"},
            {"webhook-id": ""},
            {"webhook-id": "x" * 201},
        ],
    )
    def test_refuses_headers_that_are_not_right(
        self, client, processor, attempt, clock, changes
    ):
        body = told_of(attempt, "succeeded", reference="ch_1")
        headers = signed(processor, body, clock()) | changes

        answer = post(client, processor, body, headers)

        assert answer.status_code == 400
        assert states() == []

    @pytest.mark.parametrize("body", [b"\xff\xfe", b"{}", b""])
    def test_refuses_a_body_that_was_not_signed(
        self, client, processor, attempt, clock, body
    ):
        headers = signed(processor, told_of(attempt, "succeeded"), clock())

        assert post(client, processor, body, headers).status_code == 400

    def test_refuses_a_body_that_is_too_large(self, client, processor):
        answer = post(client, processor, b"x" * (512 * 1024 + 1), {})

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def test_does_not_know_other_processors(self, client, processor):
        processor.code = "other"

        assert post(client, processor, b"{}", {}).status_code == 404


class TestWorkOffEvents:
    def test_records_the_payment(self, tell, attempt, invoice, clock):
        tell("succeeded", reference="ch_1")

        assert work_off_events(now=clock.forward(minutes=1)) == 1

        attempt.refresh_from_db()
        invoice.refresh_from_db()
        assert (attempt.state, invoice.status) == ("succeeded", "paid")
        assert Payment.objects.get().reference == "ch_1"
        assert states() == ["done"]
        assert verify_everything().findings == []
        assert work_off_events(now=clock.forward(minutes=1)) == 0

    @pytest.mark.parametrize(
        "order", list(itertools.permutations(["pending", "succeeded", "succeeded"]))
    )
    def test_minds_no_order_and_no_repetition(self, tell, attempt, clock, order):
        for kind in order:
            tell(kind, reference="ch_1")

        work_off_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert attempt.state == "succeeded"
        assert states() == ["done"] * 3
        assert Payment.objects.count() == 1

    @pytest.mark.parametrize(
        ("kind", "hard", "state"),
        [
            ("declined", True, "declined_hard"),
            ("declined", False, "declined_soft"),
            ("failed", False, "failed"),
        ],
    )
    def test_ends_an_attempt_that_was_not_charged(
        self, tell, attempt, clock, kind, hard, state
    ):
        tell(kind, hard=hard, reason="no\0funds")

        work_off_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert (attempt.state, attempt.error) == (state, "no\ufffdfunds")

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": "99.99"},
            {"amount": "NaN"},
            {"amount": "sNaN"},
            {"amount": "many"},
            {"amount": 100},
            {"currency": "EUR"},
            {"attempt": "018f0000-0000-7000-8000-000000000000"},
            {"attempt": "nobody"},
            {"reference": ""},
            {"reference": "a\0b"},
        ],
    )
    def test_sets_apart_what_does_not_fit(self, tell, attempt, clock, changes):
        tell("succeeded", **{"reference": "ch_1", **changes})

        work_off_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert (attempt.state, states()) == ("sent", ["quarantined"])
        assert ProcessorEvent.objects.get().reason
        assert not Payment.objects.exists()

    def test_sets_apart_a_second_reference_of_one_success(self, tell, attempt, clock):
        for reference in ("ch_1", "ch_2"):
            tell("succeeded", reference=reference)

        work_off_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert (attempt.state, attempt.reference) == ("succeeded", "ch_1")
        assert states() == ["done", "quarantined"]
        assert (
            "succeeded as ch_1, not ch_2" in ProcessorEvent.objects.latest("pk").reason
        )

    def test_sets_apart_a_failure_of_what_people_called_a_success(
        self, tell, attempt, clock
    ):
        PaymentAttempt.objects.update(state="unknown")
        close_attempt(
            attempt=attempt, outcome="succeeded", reference="ch_1", reason="seen",
            actor="staff", now=clock() + timedelta(days=2),
        )  # fmt: skip
        tell("failed")

        work_off_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]

    def test_tries_again_what_it_could_not_read_for_want_of_our_keys(
        self, tell, attempt, clock, settings
    ):
        tell("succeeded", reference="ch_1")
        ours = settings.WEBHOOKS
        settings.WEBHOOKS = {**ours, "SECRETS_KEYS": ["another"]}
        for _ in range(6):
            work_off_events(now=clock.forward(minutes=3))
        assert states() == ["received"]
        assert "WEBHOOK_SECRETS_KEY" in ProcessorEvent.objects.get().reason
        settings.WEBHOOKS = ours

        work_off_events(now=clock.forward(minutes=3))

        assert states() == ["done"]

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 100_000, b"null", b"{", b'{"type": 1}',
            b'{"type": "payment.succeeded", "data": {}, "data": {}}',
            b'{"type": "payment.succeeded", "data": ' + b"[" * 99 + b"]" * 99 + b"}",
        ],
    )  # fmt: skip
    def test_sets_apart_what_cannot_be_read(self, client, processor, clock, body):
        headers = signed(processor, body, clock())
        assert post(client, processor, body, headers).status_code == 204

        work_off_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]

    def test_does_not_take_the_answer_of_another_processor(
        self, client, attempt, clock, other
    ):
        body = told_of(attempt, "succeeded", reference="ch_1")
        post(client, other, body, signed(other, body, clock()))

        work_off_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]

    def test_parks_an_event_whose_every_try_crashed(self, tell, clock):
        tell("succeeded", reference="ch_1")
        ProcessorEvent.objects.update(tries=5)

        work_off_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]
        assert "crashed" in ProcessorEvent.objects.get().reason

    @pytest.mark.parametrize("amount", ["1e-9999999", "1e5", "NaN", "-1", "\u0665"])
    def test_calculates_with_no_amount_that_is_none(
        self, client, processor, captured, clock, amount
    ):
        data = {
            "payment": "ch_9", "reference": "dp_1", "amount": amount, "currency": "USD"
        }  # fmt: skip
        body = json.dumps({"type": "dispute.opened", "data": data}).encode()
        post(client, processor, body, signed(processor, body, clock()))

        work_off_events(now=clock.forward(minutes=1))

        event = ProcessorEvent.objects.get()
        assert (event.state, event.reason) == ("quarantined", "It is over no amount.")

    def test_lets_nothing_hold_up_another(self, tell, clock, attempt):
        tell("pending")
        tell("succeeded", reference="ch_1")
        first = ProcessorEvent.objects.order_by("pk")[0]
        read: list[bytes] = []

        def connecting(processor):
            error = OverflowError("year 317098 is out of range")
            return Breaking(connect(processor), bytes(first.body), read, error)

        for _ in range(7):
            work_off_events(now=clock.forward(minutes=3), connect=connecting)

        attempt.refresh_from_db()
        assert attempt.state == "succeeded"
        assert states() == ["quarantined", "done"]
        first.refresh_from_db()
        assert "crashed" in first.reason
        assert read.count(bytes(first.body)) == 5

    def test_parks_no_event_for_another_that_ends_its_process(
        self, tell, clock, attempt
    ):
        tell("pending")
        tell("failed", reason="ends the process")
        tell("pending")
        tell("succeeded", reference="ch_1")
        poison = bytes(ProcessorEvent.objects.order_by("pk")[1].body)

        def connecting(processor):
            return Breaking(connect(processor), poison, [], Killed())

        for _ in range(12):
            clock.forward(minutes=3)
            with suppress(Killed):
                work_off_events(now=clock(), connect=connecting)

        assert states() == ["done", "quarantined", "done", "done"]


class TestRetryEvents:
    def test_works_off_once_more(self, tell, clock, attempt):
        tell("succeeded", reference="ch_1")
        ProcessorEvent.objects.update(tries=5)
        work_off_events(now=clock.forward(minutes=1))
        events = list(ProcessorEvent.objects.all())

        assert retry_events(events=events, now=clock()) == 1

        work_off_events(now=clock.forward(minutes=1))
        assert states() == ["done"]
        with pytest.raises(NotQuarantined):
            retry_events(events=events, now=clock())


def test_the_body_is_kept_as_it_came(tell):
    tell("pending")

    kept = bytes(ProcessorEvent.objects.get().body)
    assert json.loads(kept)["type"] == "payment.pending"
