"""Writers of events against each other and against closes, with real threads."""

import time
from decimal import Decimal
from threading import Event

import pytest
from django.db import transaction

from billing.invoicing.verification.services import verify_books
from billing.metering.models import EventKey, QuarantinedEvent, UsageDay, UsageEvent
from billing.metering.services.ingest import ingest_events
from billing.metering.services.quarantine_actions import release_events
from seats.cutoffs.services import BUCKETS, take_cut
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY_2,
    bill,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)

pytestmark = [pytest.mark.usefixtures("fresh_database"), pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


class TestEvents:
    def test_the_same_events_from_many_writers_count_once(self, run_in_threads):
        make_prices()
        make_agency()
        events = [call() for _ in range(300)]

        results = run_in_threads(
            *[lambda n=n: use(*(events if n % 2 else events[::-1])) for n in range(20)]
        )

        accepted = sum(
            verdict.status == "accepted" for verdicts in results for verdict in verdicts
        )
        assert accepted == 300
        assert EventKey.objects.count() == UsageEvent.objects.count() == 300
        assert sum(UsageDay.objects.values_list("events", flat=True)) == 300

    def test_an_event_and_what_supersedes_it_reported_at_once_count_once(
        self, run_in_threads
    ):
        make_prices()
        make_agency()
        events = [call(id=f"a{n}") for n in range(100)]
        others = [
            call(id=f"b{n}", supersedes=f"a{n}", quantity=Decimal(1))
            for n in range(100)
        ]
        rivals = [call(id=f"c{n}", supersedes=f"a{n}") for n in range(100)]

        results = run_in_threads(
            *[lambda sent=sent: use(*sent, now=APRIL_2) for sent in
              (events, others, rivals, [*others, *events], others[::-1])]
        )  # fmt: skip

        assert not [result for result in results if isinstance(result, Exception)]
        assert sum(UsageDay.objects.values_list("events", flat=True)) == 100
        assert UsageEvent.objects.filter(reverses__isnull=False).count() == 100
        assert verify_books().findings == []

    def test_imports_against_closes_lose_nothing(self, run_in_threads):
        make_prices()
        agencies = [make_agency(f"A{n}") for n in range(4)]
        for agency in agencies:
            make_seats(agency, "ana")

        def write(batch):
            return lambda: [
                use(*[call(f"A{n % 4}") for n in range(40)], now=APRIL_2)
                for _ in range(batch)
            ]

        results = run_in_threads(write(6), write(6), lambda: bill(MARCH, now=APRIL_2))
        assert not [result for result in results if isinstance(result, Exception)]
        bill(APRIL, now=MAY_2)

        report = verify_books()
        assert (report.findings, report.pending_facts) == ([], 0)

    def test_a_release_for_two_owners_and_a_cut_of_both_wait_in_one_order(
        self, run_in_threads
    ):
        make_prices()
        first, second = make_agency("FIRST"), make_agency("SECOND")
        assert first.pk % BUCKETS < second.pk % BUCKETS
        ingest_events([call("SECOND", agent="ana")], owner=0, now=APRIL_2)
        ingest_events([call("FIRST", agent="ana")], owner=first.pk, now=APRIL_2)
        make_agents(first, "ana")
        make_agents(second, "ana")
        ids = [*QuarantinedEvent.objects.values_list("pk", flat=True)]
        begun = Event()

        def cut():
            with transaction.atomic():
                take_cut([first.pk], closing=MARCH)
                begun.set()
                time.sleep(0.5)
                take_cut([second.pk], closing=MARCH)

        def release():
            begun.wait(30)
            return release_events(event_ids=ids, actor="staff", now=APRIL_2)

        assert run_in_threads(cut, release) == [None, 2]
