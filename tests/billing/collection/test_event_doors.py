"""Inbound processor events: signed, stored once, shown, and retried."""

import json
from datetime import timedelta

import pytest

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.inbound_events import (
    NotQuarantined,
    process_events,
    retry_events,
)
from tests.billing.collection.answering import charge_event_body, post, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


class TestProcessorWebhookView:
    def test_keeps_an_event_once_and_answers_at_once(self, post_event, attempt):
        for _ in range(2):
            answer = post_event("succeeded", "evt_1", reference="ch_1")
            assert (answer.status_code, answer.content) == (204, b"")

        event = ProcessorEvent.objects.get()
        attempt.refresh_from_db()
        assert (event.state, attempt.state) == ("received", "sent")

    def test_refuses_and_counts_another_body_under_the_same_id(
        self, post_event, attempt
    ):
        post_event("succeeded", "evt_1", reference="ch_1")

        answer = post_event("succeeded", "evt_1", reference="ch_2")

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
        payload = json.loads(charge_event_body(attempt, "succeeded", reference="ch_1"))
        reordered = dict(reversed(payload.items()))
        for body in (payload, reordered):
            body = json.dumps(body, indent=len(body)).encode()
            headers = signed(processor, body, clock(), "evt_1")
            assert post(client, processor, body, headers).status_code == 204

        assert ProcessorEvent.objects.get().conflicts == 0

    def test_asks_to_come_again_while_our_keys_are_not_there(
        self, client, processor, attempt, clock, settings
    ):
        body = charge_event_body(attempt, "succeeded", reference="ch_1")
        headers = signed(processor, body, clock())
        settings.WEBHOOKS = {**settings.WEBHOOKS, "SECRETS_KEYS": ["another"]}

        answer = post(client, processor, body, headers)

        assert (answer.status_code, answer.json()["code"]) == (
            503, "secrets_unreadable",
        )  # fmt: skip

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_refuses_what_was_not_signed_now(self, states, post_event, clock, minutes):
        answer = post_event("succeeded", at=clock() + timedelta(minutes=minutes))

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
        self, states, client, processor, attempt, clock, changes
    ):
        body = charge_event_body(attempt, "succeeded", reference="ch_1")
        headers = signed(processor, body, clock()) | changes

        answer = post(client, processor, body, headers)

        assert answer.status_code == 400
        assert states() == []

    @pytest.mark.parametrize("body", [b"\xff\xfe", b"{}", b""])
    def test_refuses_a_body_that_was_not_signed(
        self, client, processor, attempt, clock, body
    ):
        headers = signed(processor, charge_event_body(attempt, "succeeded"), clock())

        assert post(client, processor, body, headers).status_code == 400

    def test_refuses_a_body_that_is_too_large(self, client, processor):
        answer = post(client, processor, b"x" * (512 * 1024 + 1), {})

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def test_does_not_know_other_processors(self, client, processor):
        processor.code = "other"

        assert post(client, processor, b"{}", {}).status_code == 404


class TestRetryEvents:
    def test_works_off_once_more(self, states, post_event, clock, attempt):
        post_event("succeeded", reference="ch_1")
        ProcessorEvent.objects.update(attempts=5)
        process_events(now=clock.forward(minutes=1))
        events = list(ProcessorEvent.objects.all())

        assert retry_events(events=events, now=clock()) == 1

        process_events(now=clock.forward(minutes=1))
        assert states() == ["done"]
        with pytest.raises(NotQuarantined):
            retry_events(events=events, now=clock())


def test_the_body_is_kept_as_it_came(post_event):
    post_event("pending")

    kept = bytes(ProcessorEvent.objects.get().body)
    assert json.loads(kept)["type"] == "payment.pending"
