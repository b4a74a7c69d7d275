"""Conversations in each feed's manner come to what they were, however files are cut."""

import random
from collections import Counter
from io import BytesIO
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import Phase, given
from hypothesis import strategies as st

from billing.metering.domain.formats.rows import buffered
from billing.metering.models import UsageDay, UsageImport
from billing.metering.services.conversations import decide_waiting_legs
from billing.metering.services.imports import import_rows, start_import
from seats.models import Agency
from tests.billing.metering import feed_worlds
from tests.billing.metering.feed_worlds import AGENTS, FEEDS, Feed, Talk, Totals
from tests.billing.metering.test_format_laws import NOW
from tests.build import make_agency, make_agents, make_prices
from tests.laws import examples
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
EXAMPLES = examples(2, phases=[Phase.explicit, Phase.generate])
IDS = [feed.write.__name__ for feed in FEEDS]
APRIL = NOW.replace(month=4, day=2)
DAMAGE = b'\x00"\xff{[\n'


@pytest.fixture
def sunrise(db: None) -> Agency:
    make_prices()
    agency = make_agency()
    make_agents(agency, *AGENTS)
    return agency


def import_lines(agency: Agency, feed: Feed, lines: list[bytes]) -> UsageImport:
    file = buffered(BytesIO(b"\n".join(lines)))
    options: dict[str, Any] = {"file_name": "x", "actor": "law", "now": NOW}
    record = start_import(file, agency=agency, feed=feed.format, **options)
    for _ in import_rows(record, file, now=NOW):
        pass
    return record


def counted() -> Totals:
    days = UsageDay.objects.values_list("meter__code", "agent__external_id")
    return Counter(
        {(meter, agent): int(raw) for meter, agent, raw in days.annotate(Sum("raw"))
         if raw}
    )  # fmt: skip


def lines_of(feed: Feed, talks: list[Talk]) -> list[bytes]:
    return [line.encode() for talk in talks for line in feed.write(talk)]


@pytest.mark.parametrize("feed", FEEDS, ids=IDS)
@given(talks=feed_worlds.talks, seed=st.integers(0, 10**6), cuts=st.integers(1, 4))
@EXAMPLES
def test_talks_come_to_the_same_in_any_order_and_files(
    sunrise: Agency, feed: Feed, talks: list[Talk], seed: int, cuts: int
) -> None:
    rng = random.Random(seed)
    lines = lines_of(feed, talks)
    rng.shuffle(lines)
    edges = sorted(rng.randrange(len(lines) + 1) for _ in range(cuts))
    files = [lines[a:b] for a, b in zip([0, *edges], [*edges, len(lines)], strict=True)]
    seconds = 0
    with rolled_back():
        for file in filter(None, files):
            record = import_lines(sunrise, feed, file)
            assert record.rejected == record.unread == 0
            seconds += sum(
                int(record.seconds.get(kind, 0)) for kind in ("accepted", "corrected")
            )
        assert seconds == sum(counted().values())
        decide_waiting_legs(now=APRIL)

        assert counted() == feed.totals(talks)

        again = import_lines(sunrise, feed, lines)
        assert (again.accepted, again.rejected, again.unread) == (0, 0, 0)
        assert counted() == feed.totals(talks)


@pytest.mark.parametrize("feed", FEEDS, ids=IDS)
@given(talks=feed_worlds.talks)
@EXAMPLES
def test_every_row_and_second_of_a_file_is_accounted_for(
    sunrise: Agency, feed: Feed, talks: list[Talk]
) -> None:
    lines = lines_of(feed, talks)
    with rolled_back():
        record = import_lines(sunrise, feed, lines)

        assert record.rows == len(lines)
        assert record.waiting == record.rejected == record.unread == 0
        assert sum(record.reasons.values()) == record.skipped
        assert int(record.seconds.get("accepted", 0)) == sum(
            feed.totals(talks).values()
        )
        assert set(record.seconds) <= {"accepted", "skipped"}


@pytest.mark.parametrize("feed", FEEDS, ids=IDS)
@given(talks=feed_worlds.talks, seed=st.integers(0, 10**6))
@EXAMPLES
def test_damage_costs_its_own_record_and_is_told(
    sunrise: Agency, feed: Feed, talks: list[Talk], seed: int
) -> None:
    """Among whole records lies one that is cut off; the others still count."""
    rng = random.Random(seed)
    lines = lines_of(feed, talks)
    broken = rng.choice(lines)
    cut = broken[: rng.randrange(5, max(6, len(broken) // 3))] + DAMAGE
    lines.insert(rng.randrange(len(lines) + 1), cut.replace(b"\n", b""))
    with rolled_back():
        record = import_lines(sunrise, feed, lines)

        assert record.rejected + record.unread >= 1
        assert counted() == feed.totals(talks)


@pytest.mark.parametrize("feed", FEEDS, ids=IDS)
@given(talks=feed_worlds.talks, seed=st.integers(0, 10**6), harm=st.integers(1, 8))
@EXAMPLES
def test_no_damage_counts_more_or_stops_the_reader(
    sunrise: Agency, feed: Feed, talks: list[Talk], seed: int, harm: int
) -> None:
    """Bytes anywhere in the file are replaced; the reader goes on and adds up."""
    rng = random.Random(seed)
    content = bytearray(b"\n".join(lines_of(feed, talks)))
    for _ in range(harm):
        content[rng.randrange(len(content))] = rng.choice(DAMAGE)
    with rolled_back():
        record = import_lines(sunrise, feed, bytes(content).split(b"\n"))

        others = (record.accepted, record.duplicate, record.rejected, record.skipped)
        assert record.rows == sum(others) + record.waiting + record.unread
        assert record.state == "done"
