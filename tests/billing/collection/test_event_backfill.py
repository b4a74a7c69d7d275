"""Backfilling events that processors could not deliver."""

from datetime import timedelta

import pytest

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.event_backfill import backfill_events
from billing.collection.services.inbound_events import process_events, store_events
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from tests.billing.collection.answering import charge_event_body
from tests.billing.collection.processors import FakeProcessor
from tests.build import APRIL_2

pytestmark = pytest.mark.django_db


@pytest.fixture
def fake():
    return FakeProcessor()


@pytest.fixture
def listen(fake, processor, clock):
    return lambda: backfill_events(now=clock(), connect=lambda _: fake)


def kept():
    return set(ProcessorEvent.objects.values_list("event_id", flat=True))


class TestCatchUp:
    def test_begins_with_when_the_processor_was_added(self, fake, listen, clock):
        hour = timedelta(hours=1)
        fake.events = [
            ("before", b"{}", APRIL_2 - 2 * hour), ("evt_1", b"{}", APRIL_2),
            ("evt_2", b"{}", clock() - hour),
        ]  # fmt: skip

        assert listen() == 2

        assert kept() == {"evt_1", "evt_2"}
        assert PaymentProcessor.objects.get().caught_up_to == clock()

    def test_goes_on_where_it_ended_with_an_hour_in_common(self, fake, listen, clock):
        listen()
        begun = clock()
        clock.forward(minutes=15)
        fake.events = [
            ("old", b"{}", begun - timedelta(minutes=61)),
            ("late", b"{}", begun - timedelta(minutes=59)),
        ]

        listen()

        assert kept() == {"late"}

    def test_leaves_what_is_kept_as_it_is(self, fake, listen, clock, processor):
        store_events(processor, [("evt_1", b"first")], now=clock())
        fake.events = [("evt_1", b"second", clock())]

        for _ in range(2):
            listen()

        assert bytes(ProcessorEvent.objects.get().body) == b"first"

    def test_asks_again_for_all_of_it_where_nobody_answered(self, fake, listen, clock):
        fake.events, fake.away = [("evt_1", b"{}", clock())], True
        listen()
        assert PaymentProcessor.objects.get().caught_up_to is None

        fake.away = False
        assert listen() == 1

    def test_never_moves_back(self, fake, listen, clock):
        listen()
        moved = clock()
        clock.forward(hours=-2)

        listen()

        assert PaymentProcessor.objects.get().caught_up_to == moved

    def test_passes_over_who_lists_nothing(self, processor, clock):
        assert backfill_events(now=clock()) == 0
        assert PaymentProcessor.objects.get().caught_up_to is None

    def test_passes_over_whose_secret_cannot_be_read(self, processor, clock, settings):
        settings.WEBHOOKS = {**settings.WEBHOOKS, "SECRETS_KEYS": ["another"]}

        assert backfill_events(now=clock()) == 0

    def test_has_worked_off_what_was_never_heard(self, charge, fake, listen, clock):
        attempt = charge()
        claim_calls(CHARGES, now=clock(), limit=8)
        body = charge_event_body(attempt, "succeeded", reference="ch_1")
        fake.events = [("evt_1", body, clock())]

        listen()
        process_events(now=clock.forward(minutes=1))

        attempt.refresh_from_db()
        assert attempt.state == "succeeded"

    def test_an_error_with_one_processor_holds_up_no_other(
        self, fake, processor, clock
    ):
        other = add_processor(
            code="zeta", url="https://pay.example.com", actor="t", now=APRIL_2
        )[0]
        fake.events = [("evt_1", b"{}", APRIL_2)]

        def connect(row):
            if row == processor:
                raise ZeroDivisionError
            return fake

        with pytest.raises(ExceptionGroup):
            backfill_events(now=clock(), connect=connect)

        other.refresh_from_db()
        processor.refresh_from_db()
        assert (other.caught_up_to, processor.caught_up_to) == (clock(), None)
        assert kept() == {"evt_1"}
