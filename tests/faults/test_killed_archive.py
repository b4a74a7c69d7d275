"""An archiving killed with -9 at each of its steps, and finished by the schedule."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from billing.invoicing.verification.services import verify_books
from billing.metering.models import ArchivedMonth
from billing.metering.queries.event_store import events_of
from billing.metering.services.partitions import attached_months
from billing.recurring.models import RecurringJob
from tests.build import (
    APRIL,
    MARCH,
    bill,
    call,
    make_agency,
    make_prices,
    make_seats,
    use,
)
from tests.faults.recovery import FAST, NO_MONTHS, TIMEOUT, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]
ROOT = Path(__file__).resolve().parents[2]
STEPS = ["started", "written", "checked", "recorded", "detached", "archived"]
SCRIPT = """
import os, signal, sys
import django; django.setup()
from datetime import UTC, date, datetime
from billing.metering.services.archiving import archive_month
from billing.metering.signals import archive_step
def die(*, step, **_):
    if step == sys.argv[1]: os.kill(os.getpid(), signal.SIGKILL)
archive_step.connect(die)
def count(rows):
    die(step="started")
archive_month(month=date(2026, 3, 1), actor="test", on_rows=count,
              now=datetime(2029, 1, 1, tzinfo=UTC))
"""


@pytest.fixture
def run_archiving(fresh_database, tmp_path, settings):
    """Archive March in a process of its own that dies at a step, if it comes there."""
    root = tmp_path / "archive"
    settings.BILLING = {**settings.BILLING, "ARCHIVE_ROOT": root, "REVIEW_WINDOW": None}
    environment = {
        **os.environ, **fresh_database.environment, "BILLING_ARCHIVE_ROOT": str(root),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }  # fmt: skip

    def run(step: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, step], cwd=ROOT, env=environment, check=False
        ).returncode

    return run


def make_billed_month():
    make_prices()
    make_seats(make_agency(), "ana")
    use(*[call(agent=["ana", None][n % 2]) for n in range(50)])
    bill(MARCH)


@pytest.mark.parametrize("step", STEPS)
def test_archiving_again_after_a_kill_is_harmless(step, run_archiving, tmp_path):
    make_billed_month()
    before = sorted(events_of(), key=lambda row: row.id)

    assert run_archiving(step) == -9
    left = MARCH not in attached_months()
    assert left == ArchivedMonth.objects.exists() == (step == "archived")
    assert sorted(events_of(), key=lambda row: row.id) == before
    assert verify_books().findings == []

    assert run_archiving("never") == (1 if left else 0)
    assert MARCH not in attached_months()
    assert sorted(events_of(), key=lambda row: row.id) == before
    (file,) = (tmp_path / "archive").iterdir()
    assert file.name == ArchivedMonth.objects.get().file_name
    assert bill(APRIL).finished_at
    assert verify_books().findings == []


def test_the_schedule_alone_archives_though_its_worker_is_killed_at_every_step(
    fresh_database, worker, beat, tmp_path, settings
):
    root, marks = tmp_path / "archive", tmp_path / "marks"
    marks.mkdir()
    settings.BILLING = {**settings.BILLING, "ARCHIVE_ROOT": root, "REVIEW_WINDOW": None}
    make_billed_month()
    before = sorted(events_of(), key=lambda row: row.id)

    steps = set(STEPS) - {"started"}  # which only the script reports
    beat(speed=FAST)
    worker(
        "tests.faults.killing_app",
        queues="imports",
        **NO_MONTHS,
        BILLING_RECURRING_LEASE_SECONDS="2",
        BILLING_EVENTS_KEPT_MONTHS="0",
        BILLING_ARCHIVE_ROOT=str(root),
        KILL_AT=",".join(steps),
        KILL_MARKS=str(marks),
    )
    job = RecurringJob.objects.filter(pk="metering.archive")
    until(lambda: job.exclude(last_finished_at=None).exists(), "finished")

    assert {mark.name.split("-")[0] for mark in marks.iterdir()} == steps
    assert MARCH not in attached_months()
    assert sorted(events_of(), key=lambda row: row.id) == before
    names = ArchivedMonth.objects.values_list("file_name", flat=True)
    assert sorted(file.name for file in root.iterdir()) == sorted(names)
    assert verify_books().findings == []
