"""Many objects, several workers, receivers of every mood: all arrives, in order."""

import random
import threading
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from standardwebhooks import Webhook

from billing.webhooks.models import Delivery, DeliveryAttempt, OutboxEvent
from billing.webhooks.services.deliveries import claim_due, deliver_due
from billing.webhooks.services.endpoints import (
    add_endpoint,
    pause_endpoint,
    resume_endpoint,
)
from billing.webhooks.services.fanout import fan_out_due
from tests.billing.webhooks.endpoints import announce
from tests.build import make_agency
from tests.receivers import answers, hangs, receiving, vanishes

OBJECTS, EVENTS, WORKERS = 100, 400, 2
MOODS: list[Any] = [204] * 12 + [500, 503, vanishes, hangs(0.5)]


class Clock:
    """A clock that several threads read."""

    def __init__(self):
        self.now = datetime.now(UTC)

    def __call__(self):
        return self.now


class Moody:
    """Fails one request in four, in any way; knows what it took."""

    def __init__(self, seed):
        self.dice, self.lock, self.taken = random.Random(seed), threading.Lock(), []

    def __call__(self, request, received):
        with self.lock:
            mood = self.dice.choice(MOODS)
            if mood == 204 or callable(mood):
                self.taken.append(received)  # it may not live to say so
        behave = mood if callable(mood) else answers(mood)
        behave(request, received)


@pytest.fixture
def quick(settings):
    settings.WEBHOOKS = {
        **settings.WEBHOOKS, "ALLOW_LOOPBACK": True, "AT_ONCE_FAILING": 8,
        "TIMEOUT": timedelta(seconds=0.3), "LEASE": timedelta(seconds=20),
    }  # fmt: skip


def assert_all_in_order(received, since):
    """Every event, each object's in the order of their first arrival."""
    expected: dict[str, list[str]] = defaultdict(list)
    seen: dict[str, list[str]] = defaultdict(list)
    for event in OutboxEvent.objects.filter(pk__gt=since).order_by("pk"):
        expected[event.subject].append(str(event.public_id))
    for request in received:
        if request.id not in seen[request.payload["subject"]]:
            seen[request.payload["subject"]].append(request.id)
    assert seen == expected


@pytest.mark.timeout(180)
def test_every_endpoint_gets_every_event_in_order_whatever_fails(
    fresh_database, run_in_threads, quick
):
    agency, clock, dice = make_agency(), Clock(), random.Random(7)
    fan_out_due(now=clock())
    since = OutboxEvent.objects.latest("pk").pk
    moods = [Moody(1), Moody(2)]
    with receiving(moods[0]) as first, receiving(moods[1]) as second:
        added = [
            add_endpoint(agency=owner, url=receiver.url, actor="test", now=clock())
            for receiver, owner in ((first, agency), (second, None))
        ]
        for _ in range(4):
            subjects = [f"thing:{dice.randrange(OBJECTS)}" for _ in range(EVENTS // 4)]
            announce(agency, *subjects, clock=clock)
            work_in_threads(run_in_threads, clock)
            claim_due(now=clock(), limit=5)  # a worker that dies with them
            clock.now += timedelta(hours=1)
        pause_endpoint(endpoint=added[0][0])
        resume_endpoint(endpoint=added[0][0], now=clock())
        while Delivery.objects.exclude(state="delivered").exists():
            assert not Delivery.objects.filter(state="given_up").exists()
            clock.now += timedelta(hours=1)
            work_in_threads(run_in_threads, clock)

    assert Delivery.objects.count() == 2 * EVENTS
    for mood in moods:
        assert_all_in_order(mood.taken, since)
        assert len(mood.taken) > EVENTS  # some came twice
    request = moods[0].taken[0]
    assert (
        Webhook(added[0][1]).verify(request.body, request.headers)["id"] == request.id
    )


def work_in_threads(run_in_threads, clock):
    def work():
        fan_out_due(now=clock())
        return deliver_due(clock=clock)

    results = run_in_threads(*[work] * WORKERS)
    assert all(isinstance(request, int) for request in results), results


@pytest.mark.timeout(60)
def test_two_workers_never_make_the_same_attempt(fresh_database, run_in_threads, quick):
    agency, clock = make_agency(), Clock()
    with receiving() as receiver:
        add_endpoint(agency=agency, url=receiver.url, actor="test", now=clock())
        announce(agency, *[f"thing:{n}" for n in range(60)], clock=clock)

        work_in_threads(run_in_threads, clock)

    assert set(Counter(request.id for request in receiver.received).values()) == {1}
    assert len(receiver.received) == DeliveryAttempt.objects.count() == 61


def test_an_event_that_commits_after_a_later_one_is_handed_out(
    fresh_database, run_in_threads, quick
):
    """The first has the lower id, and is not there yet when the sweep comes by."""
    early, late, clock = make_agency("EARLY"), make_agency("LATE"), Clock()
    add_endpoint(agency=None, url="http://127.0.0.1:1/", actor="test", now=clock())
    fan_out_due(now=clock())
    written, swept = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            announce(early, "thing:1", clock=clock)
            written.set()
            assert swept.wait(30)

    def overtake():
        assert written.wait(30)
        announce(late, "thing:2", clock=clock)
        made = fan_out_due(now=clock())
        swept.set()
        return made

    assert run_in_threads(hold, overtake) == [None, 1]
    assert fan_out_due(now=clock()) == 1
    first, second = OutboxEvent.objects.order_by("-pk")[:2][::-1]
    assert (first.subject, second.subject) == ("thing:1", "thing:2")
    assert Delivery.objects.count() == OutboxEvent.objects.count()
