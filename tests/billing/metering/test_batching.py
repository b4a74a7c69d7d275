"""A batch of events has the same effect as its events sent one by one."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.db.models import F, Sum
from hypothesis import example, given
from hypothesis import strategies as st

from billing.invoicing.verification.services import verify_books
from billing.metering.domain.events import IncomingEvent, IngestResult
from billing.metering.models import EventKey, QuarantinedEvent, UsageDay
from billing.metering.services.ingest import ingest_events
from seats.models import CutoffCounter
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.build import MARCH, call, make_agency, make_agents, make_prices, statuses
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)
LATER = datetime(2026, 9, 2, 12, tzinfo=UTC)  # March is closed for good by then
MARCH_10 = datetime(2026, 3, 10, 16, tzinfo=UTC)
AUGUST = datetime(2026, 8, 20, 16, tzinfo=UTC)


class Sent(NamedTuple):
    """An event with one of few ids, so that ids repeat; `old` ones are in a closed month."""

    n: int
    variant: int = 0
    supersedes: int | None = None
    old: bool = True

    def event(self) -> IncomingEvent:
        return call(
            ["EAST", "WEST"][self.n % 2],
            id=f"event{self.n}",
            agent=[None, None, "nobody"][self.variant],
            quantity=Decimal(60 * (self.n + 1) + self.variant),
            occurred_at=MARCH_10 if self.old else AUGUST,
            supersedes=None if self.supersedes in (None, self.n)
            else f"event{self.supersedes}",
        )  # fmt: skip


class State(NamedTuple):
    """The sums of each day, the stored keys, and the quarantined events."""

    days: list[Any]
    keys: list[Any]
    held: list[Any]


ids = st.integers(0, 6)
before = st.builds(Sent, ids, st.sampled_from([0, 0, 0, 0, 1, 2]), st.none() | ids)
after = st.builds(Sent, ids, st.sampled_from([0, 0, 1]), st.none() | ids, st.booleans())
sizes = st.lists(st.integers(1, 12), max_size=6)


@pytest.fixture
def agencies(db: None) -> None:
    make_prices()
    for code in ("EAST", "WEST"):
        make_agents(make_agency(code), "ana")


def parts(events: Sequence[Any], wanted: Sequence[int]) -> Iterator[Sequence[Any]]:
    """Split the events into batches of these sizes; the last one has the rest."""
    start = 0
    for size in wanted:
        yield events[start : start + size]
        start += size
    yield events[start:]


def send(
    sent: Sequence[Sent], wanted: Sequence[int], now: datetime
) -> list[IngestResult]:
    return [
        result
        for batch in parts([item.event() for item in sent], wanted)
        for result in ingest_events(batch, owner=0, now=now)
    ]


def state() -> State:
    rows = UsageDay.objects.values_list("agency__code", "used_on", "meter__code")
    sums = rows.annotate(n=Sum("events"), r=Sum("raw"), b=Sum("billable"))
    keys = EventKey.objects.values_list("key", "content", "used_on")
    held = QuarantinedEvent.objects.values_list("key", "content", "code")
    return State(
        sorted(row for row in sums if any(row[3:])),
        sorted(keys, key=str),
        sorted(held),
    )


def play(
    early: Sequence[Sent], late: Sequence[Sent], wanted: Sequence[int]
) -> tuple[list[str], State]:
    """Send some events, close March past its late days, and send others."""
    results = send(early, wanted, NOW)
    CutoffCounter.objects.update(cutoff=F("cutoff") + 1, closed_through=MARCH)
    results += send(late, wanted, LATER)
    return statuses(results), state()


# First: two corrections, one of which waits for an event that comes beside them.
# Last: events that were superseded before they came are sent again when they are old.
@given(st.lists(before, max_size=14), st.lists(after, max_size=10), sizes)
@example([Sent(0, supersedes=1), Sent(1, supersedes=2), Sent(2)], [], [])
@example([Sent(1, supersedes=2), Sent(2), Sent(0, supersedes=1)], [], [])
@example([Sent(0, supersedes=1), Sent(1)], [Sent(1), Sent(1, variant=1)], [])
@EXAMPLES
def test_any_batching_gives_the_results_days_and_keys_of_one_by_one(
    agencies: None, early: list[Sent], late: list[Sent], wanted: list[int]
) -> None:
    with rolled_back():
        one_by_one = play(early, late, [1] * 24)
    with rolled_back():
        in_batches = play(early, late, wanted)
        assert verify_books().findings == []

    assert in_batches == one_by_one
