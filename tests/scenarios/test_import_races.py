"""Imports against one another and against cuts, in real threads."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from django.db import transaction

from billing.invoicing.verification.services import verify_books
from billing.metering.domain.formats.rows import buffered
from billing.metering.models import UsageDay
from billing.metering.services import imports
from seats.cutoffs.services import take_cut
from seats.models import Agency
from tests.build import MARCH, make_agency, make_prices, make_seats

pytestmark = [pytest.mark.usefixtures("fresh_database"), pytest.mark.timeout(120)]
MARCH_31 = datetime(2026, 3, 31, 12, tzinfo=UTC)
ROWS = 4 * imports.CHUNK
FEW_SECONDS = 3.0


@dataclass
class Clock:
    """How long chunks last and cuts wait, in seconds, while files come in."""

    running: int
    chunks: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    @contextmanager
    def times(self, kind):
        began = time.monotonic()
        yield
        kind.append(time.monotonic() - began)


def write_file(path, first):
    rows = (
        f"c{n},voice.out,{n % 300},2026-03-{n % 28 + 1:02d}T12:00:00,ana,power\n"
        for n in range(first, first + ROWS)
    )
    path.write_text("id,meter,quantity,occurred_at,agent,dial_mode\n" + "".join(rows))


def bring(agency: Agency, path, clock: Clock):
    """Import a file; the number of accepted and of duplicate rows."""

    def take():
        with open(path, "rb", buffering=0) as raw:
            file = buffered(raw)
            record = imports.start_import(
                file, agency=agency, file_name=path.name, actor="test", now=MARCH_31
            )
            chunks = imports.import_rows(record, file, now=MARCH_31)
            more = True
            try:
                while more:
                    with clock.times(clock.chunks):
                        more = next(chunks, None) is not None
            finally:
                clock.running -= 1
            return record.accepted, record.duplicate

    return take


def cut_all_the_while(agency: Agency, clock: Clock):
    def cut():
        while clock.running:
            with transaction.atomic(), clock.times(clock.waits):
                take_cut([agency.pk], closing=MARCH)
            time.sleep(0.02)
        return len(clock.waits)

    return cut


def test_files_at_once_are_exact_and_a_cut_waits_for_one_chunk_at_most(
    run_in_threads, tmp_path, record_property
):
    """Two files share half of their rows and all of their days."""
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    clock = Clock(running=2)
    paths = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for n, path in enumerate(paths):
        write_file(path, n * ROWS // 2)

    *counts, cuts = run_in_threads(
        *[bring(agency, path, clock) for path in paths],
        cut_all_the_while(agency, clock),
    )

    record_property("longest_wait", max(clock.waits))
    record_property("longest_chunk", max(clock.chunks))
    accepted, duplicate = map(sum, zip(*counts, strict=True))
    assert (accepted, duplicate) == (ROWS * 3 // 2, ROWS // 2)
    assert cuts > 8
    assert max(clock.waits) < max(clock.chunks) + FEW_SECONDS
    days = list(UsageDay.objects.values_list("events", "raw", "cutoff"))
    assert sum(events for events, _, _ in days) == accepted
    assert sum(raw for _, raw, _ in days) == sum(n % 300 for n in range(accepted))
    assert len({cutoff for _, _, cutoff in days}) > 2
    assert verify_books().findings == []
