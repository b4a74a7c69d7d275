"""Talks written in each feed's manner: what an import makes of every row and second."""

import random
import time
from decimal import Decimal
from io import BytesIO
from typing import Any

from billing.metering.domain.formats.rows import buffered
from billing.metering.models import UsageImport
from billing.metering.services.imports import import_rows, start_import
from core.money import plain
from tests import databases
from tests.billing.metering.feed_worlds import AGENTS, FEEDS, METERS, Feed, Talk
from tests.billing.metering.test_format_laws import NOW
from tests.build import make_agency, make_agents, make_prices

TALKS, SEED, TURNS = 2_000, 14, 1_000_000


def measure() -> dict[str, object]:
    """Of the same talks in every feed, in any order: each row and second by outcome."""
    name = databases.clone()
    databases.use(name)
    make_prices()
    talks = talks_of(random.Random(SEED))
    measured: dict[str, object] = {"talks": len(talks)}
    for feed in FEEDS:
        measured |= _figures(feed, talks)
    databases.use("postgres")
    databases.drop(name)
    return measured


def talks_of(rng: random.Random) -> list[Talk]:
    """Inbound and outbound talks with rings, transfers and several agents."""
    talks = []
    for n in range(TALKS):
        several = rng.choice([1, 1, 1, 2, 3])
        parts = tuple((rng.choice(AGENTS), rng.randint(1, 900)) for _ in range(several))
        way, number = rng.choice(list(METERS))
        talks.append(Talk(n, way, number, parts, rng.choice([0, 0, 1, 2]), n * 6))
    return talks


def _figures(feed: Feed, talks: list[Talk]) -> dict[str, object]:
    name = feed.write.__name__.removeprefix("as_")
    agency = make_agency(name.upper())
    make_agents(agency, *AGENTS)
    lines = [line for talk in talks for line in feed.write(talk)]
    random.Random(SEED).shuffle(lines)
    record, cpu = _import(agency, feed, "\n".join(lines).encode())
    wanted = Decimal(sum(feed.totals(talks).values()))
    seconds = {kind: Decimal(text) for kind, text in record.seconds.items()}
    counted = seconds.get("accepted", Decimal(0)) + seconds.get("corrected", Decimal(0))
    reasons = [f"{count} {reason}" for reason, count in record.reasons.items()]
    rest = record.duplicate + record.rejected + record.unread
    assert (
        record.rows
        == (record.accepted + record.skipped + record.waiting + rest)
        == len(lines)
    )
    return {
        f"{name}: rows written": len(lines),
        f"{name}: counted, skipped, waiting at first, others": (
            f"{record.accepted}, {record.skipped} ({', '.join(reasons) or 'none'}),"
            f" {record.waiting}, {rest}"
        ),
        f"{name}: seconds in the file": plain(
            sum(seconds.values()) - seconds.get("corrected", Decimal(0))
        ),
        f"{name}: seconds counted, as the talks say, difference": f"{plain(counted)},"
        f" {plain(wanted)}, {plain(counted - wanted)}",
        f"{name}: CPU of a row, in turns of a loop": round(cpu / len(lines) / _turn()),
    }


def _import(agency: Any, feed: Feed, content: bytes) -> tuple[UsageImport, float]:
    """The record of the import, and its CPU seconds in this process."""
    with buffered(BytesIO(content)) as file:
        record = start_import(
            file, agency=agency, feed=feed.format, file_name="talks", actor="bench",
            now=NOW,
        )  # fmt: skip
        started = time.process_time()
        for _ in import_rows(record, file, now=NOW):
            pass
        return record, time.process_time() - started


def _turn() -> float:
    """CPU seconds of a turn of a loop that fills a table with texts, for comparison."""
    started, table = time.process_time(), {}
    for n in range(TURNS):
        table[n % 1_000] = str(n)
    return (time.process_time() - started) / TURNS
