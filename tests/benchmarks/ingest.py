"""Ingestion against a plain COPY of the same rows into the same table."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from django.db import connection, transaction

from billing.metering.domain.events import IncomingEvent
from billing.metering.services.ingest import ingest_events
from tests import databases
from tests.benchmarks.worlds import MONTH_DAYS, make_agencies
from tests.build import MARCH

AGENCIES, SEATS, BATCH, BATCHES, ROUNDS = 2_000, 5, 1_000, 20, 3
SIZES = [100, 10_000]  # batches of one agency, beside those of BATCH
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
COLUMNS = (
    "id, used_on, agency_id, agent_id, meter_id, breakdown, owner, source, external_id,"
    " occurred_at, received_at, raw, billable, properties, cutoff"
)


def measure() -> dict[str, object]:
    """Rows per second and ratios; rounds of the variants are interleaved."""
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=AGENCIES, seats=SEATS, on=MARCH)
    rates: dict[str, list[float]] = {
        "copy": [], "mixed": [], "one": [], "again": [], "100": [], "10000": []
    }  # fmt: skip
    serial = 0
    for _ in range(ROUNDS):
        for kind, agency_of in (("mixed", _spread), ("one", _by_batch)):
            batches = _batches(serial, agency_of)
            serial += BATCH * BATCHES
            rates[kind].append(
                _rate(lambda b: ingest_events(b, owner=0, now=NOW), batches)
            )
            if kind == "mixed":
                again = _rate(lambda b: ingest_events(b, owner=0, now=NOW), batches)
                rates["again"].append(again)
                texts = _as_copy_text(batches)
                rates["copy"].append(_rate(_copy, texts))
        for size in SIZES:
            batches = _batches(serial, _by_batch, size)
            serial += BATCH * BATCHES
            rate = _rate(lambda b: ingest_events(b, owner=0, now=NOW), batches)
            rates[str(size)].append(rate)
    databases.use("postgres")
    databases.drop(name)
    plain = median(rates["copy"])
    return {
        "plain COPY, rows/s": round(plain),
        "service, 1,000 of all agencies, rows/s": round(median(rates["mixed"])),
        "service, 100 of one agency, rows/s": round(median(rates["100"])),
        "service, 1,000 of one agency, rows/s": round(median(rates["one"])),
        "service, 10,000 of one agency, rows/s": round(median(rates["10000"])),
        "service, 1,000 duplicates, rows/s": round(median(rates["again"])),
        "all agencies / COPY (goal 0.35)": round(median(rates["mixed"]) / plain, 2),
        "one agency / COPY (goal 0.45)": round(median(rates["one"]) / plain, 2),
        "10,000 of one agency / COPY": round(median(rates["10000"]) / plain, 2),
    }


def _spread(n: int) -> int:
    return n * 7_919 % AGENCIES + 1


def _by_batch(n: int) -> int:
    return n // BATCH % AGENCIES + 1


def _batches(
    serial: int, agency_of: Callable[[int], int], size: int = BATCH
) -> list[list[IncomingEvent]]:
    start = datetime(2026, 3, 1, 6, tzinfo=UTC)
    events = [
        IncomingEvent(
            source="/dialer/us-east-1",
            id=f"call-{n:012d}",
            agency=f"B{agency_of(n)}",
            agent=f"agent{n % SEATS + 1}",
            meter="voice.out",
            quantity=Decimal(n % 300),
            occurred_at=start + timedelta(days=n * 31 % MONTH_DAYS, seconds=n % 40_000),
            properties={"dial_mode": "power", "queue": "fe-1"},
        )
        for n in range(serial, serial + BATCH * BATCHES)
    ]
    return [events[n : n + size] for n in range(0, len(events), size)]


def _rate(work: Callable[[Any], object], batches: list[Any]) -> float:
    started = time.perf_counter()
    for batch in batches:
        work(batch)
    return BATCH * BATCHES / (time.perf_counter() - started)


def _as_copy_text(batches: list[list[IncomingEvent]]) -> list[str]:
    """The stored rows of these events as COPY text, under new ids; not timed."""
    texts = []
    for batch in batches:
        ids = [event.id for event in batch]
        with (
            connection.cursor() as cursor,
            cursor.copy(
                f"COPY (SELECT id + 1000000000, {COLUMNS[4:]} FROM billing_usageevent"
                " WHERE id > 0 AND external_id = ANY(%s)) TO STDOUT",
                [ids],
            ) as copy,
        ):
            texts.append(b"".join(copy).decode())
    return texts


def _copy(text: str) -> None:
    statement = f"COPY billing_usageevent ({COLUMNS}) FROM STDIN"
    with (
        transaction.atomic(),
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copy.write(text)
