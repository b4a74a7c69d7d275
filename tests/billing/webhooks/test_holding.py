"""Endpoints that are paused, resumed and deleted; events that are told again."""

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.webhooks.domain.catalogue import data_of
from billing.webhooks.domain.webhook_events import EndpointPaused
from billing.webhooks.models import (
    Delivery,
    OutboxEvent,
)
from billing.webhooks.services.deliveries import claim_due, make_attempt, record_results
from billing.webhooks.services.endpoints import (
    address_policy,
    delete_endpoint,
    pause_endpoint,
    resume_endpoint,
)
from billing.webhooks.services.fanout import fan_out_due
from billing.webhooks.services.replay import (
    OtherStream,
    UnknownEvent,
    forget_old_attempts,
    replay_event,
    replay_range,
)
from core.outbound.client import Limits
from tests.billing.webhooks.endpoints import (
    announce,
    delivered,
    make_endpoint,
    states,
    sweep,
)
from tests.build import make_agency
from tests.receivers import answers

pytestmark = pytest.mark.django_db


class TestPausing:
    def test_comes_after_five_days_without_success_and_is_told(
        self, endpoint, receiver, agency, clock
    ):
        receiver.behave = answers(500)
        announce(agency, "a", clock=clock)
        for _ in range(6):
            sweep(clock)
            clock.forward(days=1)
            announce(agency, "b", clock=clock)

        endpoint.refresh_from_db()
        assert endpoint.state == "paused"
        events = OutboxEvent.objects.filter(type=EndpointPaused.event_type)
        owners = [event.stream.agency for event in events.order_by("stream")]
        assert sorted(owners, key=str) == sorted([agency, None], key=str)
        data = msgspec.to_builtins(
            data_of(EndpointPaused.event_type, events[0].payload)
        )
        assert (data["endpoint"], data["state"]) == (str(endpoint.public_id), "paused")
        assert data["failing_since"] < clock().isoformat()

    def test_of_several_at_once_locks_the_streams_in_one_statement(
        self, endpoint, receiver, agency, clock
    ):
        other = make_agency("OTHER")
        fan_out_due(now=clock())
        make_endpoint(receiver, other, clock)
        receiver.behave = answers(410)
        for owner in (other, agency):
            announce(owner, "a", clock=clock)
        fan_out_due(now=clock())
        limits = Limits(rules=address_policy())
        claimed = claim_due(now=clock(), limit=9)
        results = [make_attempt(delivery, limits, clock) for delivery in claimed]

        with CaptureQueriesContext(connection) as queries:
            record_results(results)

        locks = [query for query in queries if "last_sequence FROM" in query["sql"]]
        assert len(locks) == 1
        assert OutboxEvent.objects.filter(type=EndpointPaused.event_type).count() == 4

    def test_holds_what_comes_and_resuming_sends_it_in_order(
        self, endpoint, receiver, agency, clock
    ):
        pause_endpoint(endpoint=endpoint, reason="moving")
        announce(agency, "a", "a", "b", "a", clock=clock)
        assert sweep(clock) == 0
        assert states(endpoint) == ["pending"] * 4

        resume_endpoint(endpoint=endpoint, now=clock())
        sweep(clock)

        order = [n for subject, n in delivered(receiver) if subject == "a"]
        assert order == sorted(order)
        assert len(receiver.received) == 4

    def test_loses_nothing_that_was_given_up_while_it_failed(
        self, endpoint, receiver, agency, clock
    ):
        receiver.behave = answers(500)
        announce(agency, "a", clock=clock)
        while sweep(clock):
            clock.now = max(Delivery.objects.get().next_attempt_at, clock.now)
        assert states(endpoint) == ["given_up"]
        pause_endpoint(endpoint=endpoint)
        receiver.behave = answers(204)

        resume_endpoint(endpoint=endpoint, now=clock())
        sweep(clock)

        assert states(endpoint) == ["delivered"]

    def test_deleting_is_for_ever_and_keeps_the_row_without_secrets(
        self, endpoint, agency, clock
    ):
        announce(agency, "a", clock=clock)
        fan_out_due(now=clock())

        delete_endpoint(endpoint=endpoint, now=clock())
        announce(agency, "b", clock=clock)

        assert sweep(clock) == 0
        endpoint.refresh_from_db()
        assert (endpoint.sealed_secret, endpoint.state) == ("", "disabled")
        assert states(endpoint) == ["pending"]


class TestReplaying:
    def test_tells_one_event_again_under_its_id(
        self, endpoint, receiver, agency, clock
    ):
        announce(agency, "a", "b", clock=clock)
        sweep(clock)
        event = OutboxEvent.objects.get(subject="a")

        count = replay_event(endpoint=endpoint, event_id=event.public_id, now=clock())
        sweep(clock)

        ids = [request.id for request in receiver.received]
        assert (count, ids.count(str(event.public_id)), len(ids)) == (1, 2, 3)

    def test_tells_a_range_or_everything_since_a_number_in_order(
        self, endpoint, receiver, agency, clock
    ):
        announce(agency, *"aaaa", clock=clock)
        sweep(clock)
        first = receiver.received[0].payload["sequence"]
        receiver.received.clear()

        some = replay_range(
            endpoint=endpoint, first=first + 1, last=first + 2, now=clock()
        )
        sweep(clock)
        rest = replay_range(endpoint=endpoint, first=first + 2, now=clock())
        sweep(clock)

        assert (some, rest) == (2, 2)
        numbers = [n - first for _, n in delivered(receiver)]
        assert numbers == [1, 2, 2, 3]

    def test_tells_what_was_before_the_endpoint(
        self, endpoint, receiver, agency, clock
    ):
        assert replay_range(endpoint=endpoint, first=1, now=clock()) == 1
        sweep(clock)

        assert receiver.received[0].payload["type"] == "agency.added"

    def test_refuses_events_that_are_not_the_endpoints(self, endpoint, agency, clock):
        other = make_agency("OTHER")
        event = OutboxEvent.objects.latest("pk")

        with pytest.raises(UnknownEvent):
            replay_event(endpoint=endpoint, event_id=event.public_id, now=clock())
        with pytest.raises(OtherStream):
            replay_range(endpoint=endpoint, agency=other, first=1, now=clock())

    def test_of_the_platform_names_the_agency_it_means(self, receive, agency, clock):
        fan_out_due(now=clock())
        receiver = receive()
        endpoint, _ = make_endpoint(receiver, None, clock)

        count = replay_range(endpoint=endpoint, agency=agency, first=1, now=clock())
        sweep(clock)

        assert (count, receiver.received[0].payload["agency"]) == (1, "SUNRISE")


class TestForgetting:
    def test_drops_what_arrived_long_ago_and_keeps_the_rest(
        self, endpoint, receiver, agency, clock
    ):
        announce(agency, "a", clock=clock)
        sweep(clock)
        receiver.behave = answers(500)
        announce(agency, "b", clock=clock)
        sweep(clock)
        assert forget_old_attempts(now=clock.forward(days=89)) == 0

        count = forget_old_attempts(now=clock.forward(days=2))

        assert count == 3
        assert Delivery.objects.get().subject == "b"
