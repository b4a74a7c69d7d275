"""The laws of ingestion: order, batches and resending change nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing.verification.services import verify_books
from billing.metering.domain.events import IncomingEvent
from billing.metering.models import EventKey, UsageDay, UsageEvent
from billing.metering.services.ingest import ingest_events
from seats.agencies.services import change_zone
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.build import APRIL, MARCH_1, make_agency, make_agents, make_prices
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
CHANGING = datetime(2026, 3, 7, tzinfo=UTC)  # a day before the clocks change
# Events of few ids, so that they meet; content follows from the id.
ids = st.integers(0, 40)
batches_of_ids = st.lists(st.lists(ids, max_size=12), max_size=8)


def event_of(n: int) -> IncomingEvent:
    return IncomingEvent(
        source="/law",
        id=f"event{n}",
        agency=["EAST", "WEST"][n % 2],
        agent=["ana", None][n // 2 % 2],
        meter=["voice.out", "sms.segment", "ai.minute"][n % 3],
        quantity=Decimal(n * 37 % 301),
        occurred_at=CHANGING + timedelta(hours=n * 29),
        properties={"dial_mode": ["power", "preview"][n // 4 % 2]},
    )


@pytest.fixture
def agencies(db: None) -> None:
    """Two agencies that change their time zone, created once for all examples."""
    make_prices()
    for code, zone in (("EAST", "America/New_York"), ("WEST", "America/Los_Angeles")):
        agency = make_agency(code, zone=zone)
        make_agents(agency, "ana")
        change_zone(
            agency=agency, zone="Europe/London", starts_on=APRIL,
            now=MARCH_1, actor="law",
        )  # fmt: skip


def books() -> list[tuple[Any, ...]]:
    """The usage days, with names instead of ids."""
    return sorted(
        UsageDay.objects.values_list(
            "agency__code", "used_on", "meter__code", "agent__external_id",
            "breakdown", "events", "raw", "billable",
        ),
        key=str,
    )  # fmt: skip


@given(batches_of_ids)
@EXAMPLES
def test_any_order_batching_and_resending_gives_the_same_days(
    agencies: None, batches: list[list[int]]
) -> None:
    with rolled_back():
        for batch in batches:
            ingest_events([event_of(n) for n in batch], owner=0, now=NOW)
        in_batches = books()
        keys = EventKey.objects.count(), UsageEvent.objects.count()
    distinct = sorted({n for batch in batches for n in batch}, reverse=True)
    with rolled_back():
        ingest_events([event_of(n) for n in distinct], owner=0, now=NOW)

        assert books() == in_batches
        assert keys == (len(distinct), len(distinct))


@given(batches_of_ids)
@EXAMPLES
def test_the_days_are_the_sum_of_the_events(
    agencies: None, batches: list[list[int]]
) -> None:
    with rolled_back():
        statuses = [
            result.status
            for batch in batches
            for result in ingest_events([event_of(n) for n in batch], owner=0, now=NOW)
        ]
        distinct = {n for batch in batches for n in batch}

        assert statuses.count("accepted") == len(distinct)
        assert statuses.count("duplicate") == len(statuses) - len(distinct)
        expected = sum((event_of(n).quantity for n in distinct), Decimal(0))
        assert sum(UsageDay.objects.values_list("raw", flat=True)) == expected
        assert sum(UsageEvent.objects.values_list("raw", flat=True)) == expected


# Of a chain of corrections each event names the one before, or one that is taken.
links = st.lists(st.integers(0, 9), min_size=1, max_size=10, unique=True)
orders = st.permutations(range(10))
sizes = st.integers(1, 10)


def correction_of(n: int, other: int | None) -> IncomingEvent:
    supersedes = None if other is None else f"event{other}"
    return replace(event_of(n), supersedes=supersedes)


@given(links, orders, sizes, st.booleans())
@EXAMPLES
def test_corrections_in_any_order_batching_and_resending_give_the_same_days(
    agencies: None, chain: list[int], order: list[int], size: int, again: bool
) -> None:
    before = dict(zip(chain[1:], chain, strict=False))
    events = [correction_of(n, before.get(n)) for n in order]
    with rolled_back():
        for n in sorted(range(10), key=lambda n: chain.index(n) if n in chain else -1):
            ingest_events([correction_of(n, before.get(n))], owner=0, now=NOW)
        in_turn = left()
        assert verify_books().findings == []
    with rolled_back():
        for n in range(0, 10, size):
            batch = events[n : n + size]
            ingest_events(batch, owner=0, now=NOW)
            if again:
                ingest_events(batch, owner=0, now=NOW)

        assert left() == in_turn
        assert sum(row[-3] for row in in_turn) == 10 - (len(chain) - 1)
        assert verify_books().findings == []


# Each event may name any other: rivals, cycles and events that never come.
webs = st.lists(st.none() | st.integers(0, 11), min_size=10, max_size=10)


@given(webs, st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=6))
@EXAMPLES
def test_rivals_and_cycles_of_corrections_take_back_only_what_was_counted(
    agencies: None, web: list[int | None], batches: list[list[int]]
) -> None:
    named = [None if other == n else other for n, other in enumerate(web)]
    with rolled_back():
        for batch in batches:
            events = [correction_of(n, named[n]) for n in batch]
            first = ingest_events(events, owner=0, now=NOW)
            again = ingest_events(events, owner=0, now=NOW)
            for before, after in zip(first, again, strict=True):
                assert (after.status == "rejected") == (before.status == "rejected")

        assert all(min(row[5:]) >= 0 for row in left())
        assert verify_books().findings == []


def left() -> list[Any]:
    """The sums of each day over all cut-offs, without zeros."""
    rows = UsageDay.objects.values_list(
        "agency__code", "used_on", "meter__code", "agent__external_id", "breakdown"
    )
    sums = rows.annotate(n=Sum("events"), r=Sum("raw"), b=Sum("billable"))
    return sorted((row for row in sums if any(row[5:])), key=str)
