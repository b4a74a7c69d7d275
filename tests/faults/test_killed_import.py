"""An import killed with -9 half way, and started again."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.utils import timezone

from billing.invoicing.verification.services import verify_books
from billing.metering.models import EventKey, UsageDay, UsageEvent, UsageImport
from billing.metering.services.imports import CHUNK, upload_file
from tests.build import make_agency, make_prices, make_seats
from tests.faults.recovery import TIMEOUT, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]
ROOT = Path(__file__).resolve().parents[2]
ROWS = 6 * CHUNK
SECONDS = 60


def write_file(path: Path) -> None:
    rows = (
        f"c{n},voice.out,{n % 300},2026-03-{n % 28 + 1:02d}T12:00:00,ana,power\n"
        for n in range(ROWS)
    )
    path.write_text("id,meter,quantity,occurred_at,agent,dial_mode\n" + "".join(rows))


def start_import(path: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_usage", str(path), "--format", "csv",
         "--agency", "SUNRISE"],
        cwd=ROOT, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_importing_again_after_a_kill_counts_every_row_once(fresh_database, tmp_path):
    make_prices()
    make_seats(make_agency(), "ana")
    path = tmp_path / "march.csv"
    write_file(path)
    victim = start_import(path, fresh_database.environment)
    deadline = time.monotonic() + SECONDS
    while not EventKey.objects.exists():
        assert victim.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victim.kill()
    victim.communicate()
    done = EventKey.objects.count()
    assert 0 < done < ROWS
    assert done % CHUNK == 0

    again = start_import(path, fresh_database.environment)
    out, _ = again.communicate(timeout=SECONDS)

    assert again.returncode == 0
    assert f"{ROWS - done} accepted, {done} duplicate, 0 rejected" in out
    assert UsageEvent.objects.count() == ROWS
    assert sum(UsageDay.objects.values_list("events", flat=True)) == ROWS
    assert verify_books().findings == []


def test_an_upload_whose_worker_is_killed_is_taken_in_by_the_next(
    fresh_database, worker, beat, tmp_path
):
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    path = tmp_path / "march.csv"
    write_file(path)
    with open(path, "rb") as file:
        upload_file(
            file, agency=agency, file_name=path.name, actor="test",
            now=timezone.now(), feed="csv",
        )  # fmt: skip
    victim = worker(queues="imports")
    beat()
    until(lambda: 0 < UsageImport.objects.get().rows < ROWS)
    victim.kill()
    assert UsageImport.objects.get().state == "running"

    worker(queues="imports")
    until(lambda: UsageImport.objects.get().state == "done")

    done = UsageImport.objects.get()
    assert (done.rows, done.accepted, done.duplicate) == (ROWS, ROWS, 0)
    assert UsageEvent.objects.count() == ROWS
    assert verify_books().findings == []
