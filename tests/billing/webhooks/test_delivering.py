"""Events on their way to receivers that are up, down, slow, busy or gone."""

import threading
from datetime import timedelta

import pytest
from django.db import transaction
from standardwebhooks import Webhook, WebhookVerificationError

from billing.webhooks.models import (
    Delivery,
    DeliveryAttempt,
    OutboxEvent,
    WebhookEndpoint,
)
from billing.webhooks.services.deliveries import (
    MAX_TRIES,
    claim_due,
    deliver_due,
    make_attempt,
    record_results,
)
from billing.webhooks.services.endpoints import (
    address_policy,
    rotate_secret,
    send_test_event,
)
from billing.webhooks.services.fanout import fan_out_due
from core.outbound.client import Limits
from tests.billing.webhooks.endpoints import (
    announce,
    delivered,
    make_endpoint,
    states,
    sweep,
)
from tests.build import make_agency
from tests.receivers import answers, hangs, vanishes

pytestmark = pytest.mark.django_db


class TestHandingOut:
    def test_gives_an_agency_its_own_events_and_the_platform_all(
        self, receive, agency, clock
    ):
        below = make_agency("BELOW", upline=agency)
        fan_out_due(now=clock())
        own, other, all_of_them = receive(), receive(), receive()
        make_endpoint(own, agency, clock)
        make_endpoint(other, below, clock)
        make_endpoint(all_of_them, None, clock)
        for owner in (agency, below, None):
            announce(owner, f"thing:{owner and owner.code}", clock=clock)

        sweep(clock)

        assert [subject for subject, _ in delivered(own)] == ["thing:SUNRISE"]
        assert [subject for subject, _ in delivered(other)] == ["thing:BELOW"]
        assert len(all_of_them.received) == 3
        assert {request.payload["agency"] for request in all_of_them.received} == {
            "SUNRISE", "BELOW", None,
        }  # fmt: skip

    def test_passes_over_types_that_were_not_chosen(self, receive, agency, clock):
        receiver = receive()
        make_endpoint(receiver, agency, clock, event_types=["agency.added"])
        announce(agency, "run:1", clock=clock)

        sweep(clock)

        assert [request.payload["type"] for request in receiver.received] == [
            "agency.added"
        ]

    def test_is_done_once(self, endpoint, agency, clock):
        announce(agency, "a", "b", clock=clock)

        assert [fan_out_due(now=clock()) for _ in range(3)] == [2, 0, 0]

    def test_sends_a_test_to_the_one_that_asked(
        self, endpoint, receiver, receive, agency, clock
    ):
        other = receive()
        make_endpoint(other, agency, clock)
        send_test_event(endpoint=endpoint, actor="somebody@example.com", now=clock())

        sweep(clock)

        (request,) = receiver.received
        assert request.payload["type"] == "webhook_endpoint.test"
        assert request.payload["data"] == {"endpoint": str(endpoint.public_id)}
        assert other.received == []


class TestSignatures:
    def test_are_what_the_reference_library_accepts(
        self, endpoint, secret, receiver, agency, clock
    ):
        announce(agency, "a", clock=clock)

        sweep(clock)

        (request,) = receiver.received
        event = OutboxEvent.objects.latest("pk")
        assert request.id == str(event.public_id)
        assert Webhook(secret).verify(request.body, request.headers) == request.payload

    def test_are_refused_for_another_secret_body_id_or_time(
        self, endpoint, secret, receiver, agency, clock
    ):
        announce(agency, "a", clock=clock)
        sweep(clock)
        (request,) = receiver.received
        later = str(int(request.headers["webhook-timestamp"]) + 1)
        wrong = [
            ("whsec_" + "A" * 44, request.body, request.headers),
            (secret, request.body + b" ", request.headers),
            (secret, request.body, request.headers | {"webhook-id": "other"}),
            (secret, request.body, request.headers | {"webhook-timestamp": later}),
        ]

        for key, body, headers in wrong:
            with pytest.raises(WebhookVerificationError):
                Webhook(key).verify(body, headers)

    def test_are_by_both_secrets_for_a_day_after_rotating(
        self, endpoint, secret, receiver, agency, clock
    ):
        _, new = rotate_secret(endpoint=endpoint, now=clock())
        announce(agency, "a", clock=clock)
        sweep(clock)
        (request,) = receiver.received
        for key in (secret, new):
            assert Webhook(key).verify(request.body, request.headers)

        clock.forward(hours=24)
        announce(agency, "b", clock=clock)
        sweep(clock)

        signatures = receiver.received[1].headers["webhook-signature"]
        assert len(signatures.split()) == 1
        assert len(request.headers["webhook-signature"].split()) == 2

    def test_have_the_time_of_the_attempt_and_the_same_id_and_body(
        self, endpoint, receiver, agency, clock
    ):
        receiver.behave = answers(500)
        announce(agency, "a", clock=clock)
        sweep(clock)
        clock.forward(minutes=1)
        sweep(clock)

        first, second = receiver.received
        assert (first.id, first.body) == (second.id, second.body)
        waited = [
            int(request.headers["webhook-timestamp"]) for request in (first, second)
        ]
        assert waited[1] - waited[0] == 60

    def test_leave_no_secret_in_the_row(self, endpoint, secret):
        row = WebhookEndpoint.objects.filter(pk=endpoint.pk).values().get()

        assert secret not in str(row)
        assert secret.removeprefix("whsec_") not in str(row)

    def test_are_not_made_with_keys_that_are_not_ours(
        self, endpoint, receiver, agency, clock, settings
    ):
        settings.WEBHOOKS = {**settings.WEBHOOKS, "SECRETS_KEYS": ["another"]}
        announce(agency, "a", clock=clock)

        sweep(clock)

        assert receiver.received == []
        assert DeliveryAttempt.objects.get().error == (
            "internal: the secret cannot be decrypted with WEBHOOK_SECRETS_KEY"
        )


class TestRetries:
    def test_go_on_for_75_hours_and_then_give_up(
        self, endpoint, receiver, agency, clock
    ):
        receiver.behave = answers(500, b"sorry")
        announce(agency, "a", clock=clock)
        began, pauses = clock(), []
        while sweep(clock):
            row = Delivery.objects.get()
            pauses.append(row.next_attempt_at - clock())
            clock.now = max(row.next_attempt_at, clock.now)

        assert len(receiver.received) == MAX_TRIES == 10
        assert states(endpoint) == ["given_up"]
        assert timedelta(hours=75) < clock() - began < timedelta(hours=84)
        assert timedelta(seconds=5) <= pauses[0] <= timedelta(seconds=5.5)
        log = DeliveryAttempt.objects.order_by("number")
        assert [attempt.number for attempt in log] == list(range(1, 11))
        assert {(attempt.http_status, attempt.answer) for attempt in log} == {
            (500, "sorry")
        }

    @pytest.mark.parametrize(
        ("behave", "error"),
        [(hangs(), "timeout"), (vanishes, "connection"),
         (answers(302, b"", Location="http://127.0.0.1:1/"), "")],
        ids=["hangs", "vanishes", "redirects"],
    )  # fmt: skip
    def test_follow_whatever_goes_wrong(
        self, endpoint, receiver, agency, clock, behave, error
    ):
        receiver.behave = behave
        announce(agency, "a", clock=clock)
        sweep(clock)
        assert DeliveryAttempt.objects.get().error.startswith(error)
        assert states(endpoint) == ["pending"]
        receiver.behave = answers(204)
        clock.forward(seconds=6)

        sweep(clock)

        assert states(endpoint) == ["delivered"]
        endpoint.refresh_from_db()
        assert endpoint.failing_since is None

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_leave_a_busy_receiver_alone_as_long_as_it_asks(
        self, endpoint, receiver, agency, clock, status
    ):
        receiver.behave = answers(status, Retry_After="3600")
        announce(agency, "a", clock=clock)
        sweep(clock)
        announce(agency, "b", clock=clock)
        receiver.behave = answers(204)
        for minutes in (1, 30):
            clock.forward(minutes=minutes)
            assert sweep(clock) == 0

        clock.forward(minutes=30)

        assert sweep(clock) == 2
        assert states(endpoint) == ["delivered"] * 2

    @pytest.mark.parametrize(
        "header",
        [
            "Mon, 01 Jan 99999999999999 00:00:00 GMT",
            "Mon, 01 Jan 2026 00:00:00 +99999999999999",
            "soon",
        ],
    )
    def test_do_not_believe_a_time_that_is_none(
        self, endpoint, receiver, agency, clock, header
    ):
        receiver.behave = answers(503, Retry_After=header)
        announce(agency, "a", clock=clock)

        assert sweep(clock) == 1

        endpoint.refresh_from_db()
        assert endpoint.quiet_until - clock() == timedelta(seconds=30)
        assert states(endpoint) == ["pending"]

    def test_end_at_once_for_a_receiver_that_is_gone(
        self, endpoint, receiver, agency, clock
    ):
        receiver.behave = answers(410)
        announce(agency, "a", clock=clock)
        sweep(clock)

        endpoint.refresh_from_db()
        assert (endpoint.state, states(endpoint)) == ("disabled", ["pending"])
        clock.forward(hours=1)
        assert deliver_due(clock=clock) == 0

    def test_end_with_what_kills_its_worker_each_time(
        self, endpoint, receiver, agency, clock
    ):
        announce(agency, "a", clock=clock)
        fan_out_due(now=clock())
        for _ in range(MAX_TRIES):
            assert len(claim_due(now=clock(), limit=9)) == 1
            clock.forward(minutes=1)

        sweep(clock)

        assert states(endpoint) == ["given_up"]
        assert DeliveryAttempt.objects.get().error.startswith("crashed")
        assert receiver.received == []


class TestOrder:
    def test_is_kept_for_an_object_and_holds_up_no_other(
        self, endpoint, receiver, agency, clock
    ):
        def refuse_first_a(request, received):
            status = 500 if received.payload["subject"] == "a" else 204
            answers(status)(request, received)

        receiver.behave = refuse_first_a
        announce(agency, "a", "a", "b", "a", "b", clock=clock)
        sweep(clock)
        assert states(endpoint) == [
            "pending", "pending", "delivered", "pending", "delivered",
        ]  # fmt: skip
        receiver.behave = answers(204)
        clock.forward(seconds=6)

        sweep(clock)

        order = [n for subject, n in delivered(receiver) if subject == "a"]
        assert order == sorted(order)
        assert states(endpoint) == ["delivered"] * 5

    def test_is_not_held_up_by_a_slow_receiver(
        self, endpoint, receiver, receive, agency, clock, settings
    ):
        settings.WEBHOOKS = {**settings.WEBHOOKS, "TIMEOUT": timedelta(minutes=2)}
        all_arrived = threading.Event()
        waited_for_all = []

        def answer_after_the_other(request, received):
            waited_for_all.append(all_arrived.wait(60))
            answers(204)(request, received)

        def note(request, received):
            answers(204)(request, received)
            if len(receiver.received) == 20:
                all_arrived.set()

        make_endpoint(receive(answer_after_the_other), agency, clock)
        announce(agency, *[f"thing:{n}" for n in range(20)], clock=clock)
        receiver.behave = note

        sweep(clock)

        assert len(receiver.received) == 20
        assert waited_for_all == [True] * 20


class TestLeases:
    def test_send_again_what_a_dead_worker_had_sent(
        self, endpoint, receiver, agency, clock
    ):
        announce(agency, "a", clock=clock)
        fan_out_due(now=clock())
        (lost,) = claim_due(now=clock(), limit=9)
        make_attempt(lost, Limits(rules=address_policy()), clock)  # and then it dies
        assert sweep(clock) == 0

        clock.forward(minutes=1)
        sweep(clock)

        first, second = receiver.received
        assert (first.id, first.body) == (second.id, second.body)
        assert states(endpoint) == ["delivered"]
        assert DeliveryAttempt.objects.get().number == 2

    def test_let_a_late_result_change_nothing(self, endpoint, receiver, agency, clock):
        announce(agency, "a", clock=clock)
        fan_out_due(now=clock())
        (lost,) = claim_due(now=clock(), limit=9)
        late = make_attempt(lost, Limits(rules=address_policy()), clock)
        clock.forward(minutes=1)
        receiver.behave = answers(500)
        sweep(clock)

        record_results([late])

        assert states(endpoint) == ["pending"]
        numbers = DeliveryAttempt.objects.order_by("number")
        assert [(number.number, number.http_status) for number in numbers] == [
            (1, 204),
            (2, 500),
        ]


def test_nothing_is_sent_within_a_transaction(endpoint, receiver, agency, clock):
    announce(agency, "a", clock=clock)
    fan_out_due(now=clock())

    with pytest.raises(RuntimeError), transaction.atomic():
        deliver_due(clock=clock)

    assert receiver.received == []
