"""Processor events: signed, stored once, processed in any order, or quarantined."""

import itertools
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.inbound_events import process_events
from billing.collection.services.manual_resolution import close_attempt
from billing.collection.verification.money import verify_everything
from billing.processors.services.registry import connect
from billing.receivables.models import Payment
from tests.billing.collection.answering import charge_event_body, post, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


@dataclass
class Breaking:
    """A processor with one event that raises an error when it is read."""

    processor: Any
    body: bytes
    read_so_far: list[bytes]

    def read_updates(self, body):
        self.read_so_far.append(body)
        if body == self.body:
            raise OverflowError("year 317098 is out of range")
        return self.processor.read_updates(body)


class Killed(BaseException):
    """An exception that ends the process and must not be caught."""


@dataclass
class Killing:
    """A processor with one event that ends the process that reads it."""

    processor: Any
    body: bytes

    def read_updates(self, body):
        if body == self.body:
            raise Killed
        return self.processor.read_updates(body)


class TestWorkOffEvents:
    def test_records_the_payment(self, states, post_event, attempt, invoice, clock):
        post_event("succeeded", reference="ch_1")

        assert process_events(now=clock.forward(minutes=1)) == 1

        attempt.refresh_from_db()
        invoice.refresh_from_db()
        assert (attempt.state, invoice.state) == ("succeeded", "paid")
        assert Payment.objects.get().reference == "ch_1"
        assert states() == ["done"]
        assert verify_everything().findings == []
        assert process_events(now=clock.forward(minutes=1)) == 0

    @pytest.mark.parametrize(
        "order", list(itertools.permutations(["pending", "succeeded", "succeeded"]))
    )
    def test_minds_no_order_and_no_repetition(
        self, states, post_event, attempt, clock, order
    ):
        for kind in order:
            post_event(kind, reference="ch_1")

        process_events(now=clock.forward(minutes=1))

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
        self, post_event, attempt, clock, kind, hard, state
    ):
        post_event(kind, hard=hard, reason="no\0funds")

        process_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert (attempt.state, attempt.last_error) == (state, "no\ufffdfunds")

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
    def test_sets_apart_what_does_not_fit(
        self, states, post_event, attempt, clock, changes
    ):
        post_event("succeeded", **{"reference": "ch_1", **changes})

        process_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert (attempt.state, states()) == ("sent", ["quarantined"])
        assert ProcessorEvent.objects.get().last_error
        assert not Payment.objects.exists()

    def test_sets_apart_a_second_reference_of_one_success(
        self, states, post_event, attempt, clock
    ):
        for reference in ("ch_1", "ch_2"):
            post_event("succeeded", reference=reference)

        process_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert (attempt.state, attempt.reference) == ("succeeded", "ch_1")
        assert states() == ["done", "quarantined"]
        assert (
            "succeeded with reference ch_1; it cannot succeed with 'ch_2'"
            in ProcessorEvent.objects.latest("pk").last_error
        )

    def test_sets_apart_a_failure_of_what_people_called_a_success(
        self, states, post_event, attempt, clock
    ):
        PaymentAttempt.objects.update(state="unknown")
        close_attempt(
            attempt=attempt, outcome="succeeded", reference="ch_1", reason="seen",
            actor="staff", now=clock() + timedelta(days=2),
        )  # fmt: skip
        post_event("failed")

        process_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]

    def test_tries_again_what_it_could_not_read_for_want_of_our_keys(
        self, states, post_event, attempt, clock, settings
    ):
        post_event("succeeded", reference="ch_1")
        webhooks = settings.WEBHOOKS
        settings.WEBHOOKS = {**webhooks, "SECRETS_KEYS": ["another"]}
        for _ in range(6):
            process_events(now=clock.forward(minutes=3))
        assert states() == ["received"]
        assert "WEBHOOK_SECRETS_KEY" in ProcessorEvent.objects.get().last_error
        settings.WEBHOOKS = webhooks

        process_events(now=clock.forward(minutes=3))

        assert states() == ["done"]

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 100_000, b"null", b"{", b'{"type": 1}',
            b'{"type": "payment.succeeded", "data": {}, "data": {}}',
            b'{"type": "payment.succeeded", "data": ' + b"[" * 99 + b"]" * 99 + b"}",
        ],
    )  # fmt: skip
    def test_sets_apart_what_cannot_be_read(
        self, states, client, processor, clock, body
    ):
        headers = signed(processor, body, clock())
        assert post(client, processor, body, headers).status_code == 204

        process_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]

    def test_does_not_take_the_answer_of_another_processor(
        self, states, client, attempt, clock, other
    ):
        body = charge_event_body(attempt, "succeeded", reference="ch_1")
        post(client, other, body, signed(other, body, clock()))

        process_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]

    def test_parks_an_event_whose_every_try_crashed(self, states, post_event, clock):
        post_event("succeeded", reference="ch_1")
        ProcessorEvent.objects.update(attempts=5)

        process_events(now=clock.forward(minutes=1))

        assert states() == ["quarantined"]
        assert "crashed" in ProcessorEvent.objects.get().last_error

    @pytest.mark.parametrize("amount", ["1e-9999999", "1e5", "NaN", "-1", "\u0665"])
    def test_calculates_with_no_amount_that_is_none(
        self, client, processor, captured, clock, amount
    ):
        data = {
            "payment": "ch_9", "reference": "dp_1", "amount": amount, "currency": "USD"
        }  # fmt: skip
        body = json.dumps({"type": "dispute.opened", "data": data}).encode()
        post(client, processor, body, signed(processor, body, clock()))

        process_events(now=clock.forward(minutes=1))

        event = ProcessorEvent.objects.get()
        assert (event.state, event.last_error) == (
            "quarantined",
            f'The `amount` {amount!r} is not a decimal number such as "15.00".',
        )

    def test_lets_nothing_hold_up_another(self, states, post_event, clock, attempt):
        post_event("pending")
        post_event("succeeded", reference="ch_1")
        first = ProcessorEvent.objects.order_by("pk")[0]
        read: list[bytes] = []

        def connecting(processor):
            return Breaking(connect(processor), bytes(first.body), read)

        for _ in range(7):
            process_events(now=clock.forward(minutes=3), connect=connecting)

        attempt.refresh_from_db()
        assert attempt.state == "succeeded"
        assert states() == ["quarantined", "done"]
        first.refresh_from_db()
        assert "crashed" in first.last_error
        assert read.count(bytes(first.body)) == 5

    def test_parks_no_event_for_another_that_ends_its_process(
        self, states, post_event, clock, attempt
    ):
        post_event("pending")
        post_event("failed", reason="ends the process")
        post_event("pending")
        post_event("succeeded", reference="ch_1")
        poison = bytes(ProcessorEvent.objects.order_by("pk")[1].body)

        def connecting(processor):
            return Killing(connect(processor), poison)

        for _ in range(12):
            clock.forward(minutes=3)
            with suppress(Killed):
                process_events(now=clock(), connect=connecting)

        assert states() == ["done", "quarantined", "done", "done"]
