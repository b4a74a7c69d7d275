"""Killed at every commit, and finished by the real worker and the real schedule alone."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.utils import timezone

from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunItem
from config.services import places
from core.periods import month_of, previous_month
from seats.roster.services.seats import remove_seats
from tests.build import call, make_agency, make_prices, make_seats, use
from tests.faults.recovery import FAST
from tests.workers import Worker, _free_port, start_beat, start_broker, start_worker

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240
STEPS = ["opened", "cut", "planned", "claimed", "written", "closed", "issued",
         "finished"]  # fmt: skip
QUICK = {
    "BILLING_GRACE_SECONDS": "0",
    "BILLING_REVIEW_SECONDS": "1",
    "BILLING_CLOSE_LEASE_SECONDS": "2",
    "BILLING_CLOSE_RETRY_SECONDS": "1",
    "BILLING_CLOSE_CHUNK": "3",
}
# Its month is over before anybody's, so last month by UTC is over whenever this runs.
EARLY_ZONE = "Pacific/Kiritimati"
DIES = """
import os, signal, sys, django; django.setup()
from datetime import date
from django.utils import timezone
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import RunItem
from billing.invoicing.services.documents import discard_draft
from billing.invoicing.services.runs import release_item, start_run
from billing.invoicing.signals import step_reached
from seats.models import Agency
work, step, code, month = sys.argv[1:]
def die(**told):
    if told["step"] == step: os.kill(os.getpid(), signal.SIGKILL)
step_reached.connect(die)
told = {"actor": "test", "now": timezone.now()}
payer = Agency.objects.get(code=code)
if work == "bill":
    start_run(month=date.fromisoformat(month), payer=payer, **told)
elif work == "release":
    release_item(item=RunItem.objects.get(payer=payer, state="parked"), **told)
else:
    draft = Document.objects.get(payer=payer, state="draft")
    discard_draft(document_id=draft.pk, **told)
"""


def last_month():
    return previous_month(month_of(timezone.now().date()))


def at(day, hour=12):
    """Noon of a date of last month."""
    month = last_month()
    return datetime(month.year, month.month, day, hour, tzinfo=UTC)


def make_world(payers, **agency):
    """Payers with two seats and two calls each in last month: 100.11."""
    for n in range(payers):
        code = f"A{n}"
        made = make_agency(code, zone=EARLY_ZONE, now=at(1, 13), **agency)
        make_seats(made, "ana", "ben", on=last_month(), now=at(1, 13))
        use(
            *[call(code, agent="ana", occurred_at=at(10)) for _ in range(2)],
            now=at(11),
        )


def until(happened, what, seconds=SECONDS):
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: {_state()}")
        time.sleep(0.1)


def _state():
    items = RunItem.objects.values_list(
        "payer__code", "state", "attempts", "last_error"
    )
    runs = BillingRun.objects.values_list("month", "planned_at", "finished_at")
    return list(runs), list(items)


def all_issued(payers):
    return (
        Document.objects.filter(state="open").count() == payers
        and not BillingRun.objects.filter(finished_at=None).exists()
    )


def assert_billed_once(payers):
    assert set(Document.objects.values_list("number", "total", "month")) == {
        (1, Decimal("100.11"), last_month())
    }
    assert Document.objects.count() == payers
    assert verify_everything(now=timezone.now()).findings == []


class TestTheScheduleAlone:
    def test_bills_last_month_though_its_worker_is_killed_at_every_commit(
        self, fresh_database, worker, beat, tmp_path
    ):
        make_prices()
        make_world(5)
        marks = tmp_path / "marks"
        marks.mkdir()
        environment = {"KILL_AT": ",".join(STEPS), "KILL_MARKS": str(marks), **QUICK}
        beat(speed=FAST)
        worker("tests.faults.killing_app", queues="money", **environment)

        def finished():
            return all_issued(5) and len(list(marks.iterdir())) == len(STEPS)

        until(finished, "killed at every step")

        assert {mark.name.split("-")[0] for mark in marks.iterdir()} == set(STEPS)
        assert BillingRun.objects.count() == 1
        assert_billed_once(5)

    def test_goes_on_with_what_a_door_began(self, fresh_database, worker, beat):
        """Whoever bills, releases or discards may die once it is committed."""
        settings = {**QUICK, "BILLING_REVIEW_SECONDS": "3600"}
        make_world(3)
        worker(queues="money", **settings)
        beat(speed=FAST)
        until(lambda: RunItem.objects.filter(state="parked").count() == 3, "parked")
        make_prices()
        new = make_agency("NEW", zone=EARLY_ZONE, now=timezone.now())
        make_seats(new, "zoe", on=last_month(), now=timezone.now())

        def drafts():
            rows = Document.objects.filter(state="draft")
            return dict(rows.values_list("payer__code", "id"))

        for n, step in enumerate(["opened", "cut", "planned"]):
            assert self.die("release", step, f"A{n}", fresh_database) == -9
        assert self.die("bill", "opened", "NEW", fresh_database) == -9
        until(lambda: drafts().keys() == {"A0", "A1", "A2", "NEW"}, "released, billed")
        seats = list(new.seats.all())
        remove_seats(
            seats=seats, on=last_month(), actor="test", now=timezone.now(), staff=True,
            reason="test",
        )  # fmt: skip
        before = drafts()
        for n, step in enumerate(["opened", "cut", "planned"]):
            assert self.die("discard", step, f"A{n}", fresh_database) == -9

        def built_again():
            now = drafts()
            return now.keys() == before.keys() and all(
                now[code] != before[code] for code in ("A0", "A1", "A2")
            )

        until(built_again, "discarded")
        assert verify_everything(now=timezone.now()).findings == []

    def die(self, work, step, code, database):
        environment = {
            **os.environ, **database.environment, **QUICK,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }  # fmt: skip
        script = [sys.executable, "-c", DIES, work, step, code, str(last_month())]
        return subprocess.run(script, cwd=ROOT, env=environment, check=False).returncode

    def test_bills_though_the_broker_was_away_at_the_tick(
        self, fresh_database, tmp_path
    ):
        make_prices()
        make_world(2)
        port = _free_port()
        settings = {
            **fresh_database.environment, **QUICK, "SCHEDULE_SPEED": str(FAST),
            "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        }  # fmt: skip
        with TemporaryDirectory(prefix="dialer-") as folder:
            own = places.make_private(Path(folder))
            broker = start_broker(port, own)
            started: list[Worker] = []
            try:
                started.append(
                    start_worker(settings, tmp_path / "worker.log", queues="money")
                )
                broker.kill()
                broker.wait()
                started.append(start_beat(settings, tmp_path / "beat.log"))
                time.sleep(5)  # more than a minute of the schedule
                assert not BillingRun.objects.exists()
                broker = start_broker(port, own)
                until(lambda: all_issued(2), "broker back")
            finally:
                for process in started:
                    process.kill()
                broker.send_signal(signal.SIGKILL)
                broker.wait()

        assert_billed_once(2)

    def test_takes_over_from_the_killed_within_half_a_minute(
        self, fresh_database, worker, beat, tmp_path
    ):
        """With the leases and the schedule as they are, after many kills."""
        make_prices()
        make_world(16)
        marks = tmp_path / "marks"
        marks.mkdir()
        payload = {
            "KILL_AT": "written", "KILL_TIMES": "4", "KILL_MARKS": str(marks),
            "BILLING_GRACE_SECONDS": "0", "BILLING_CLOSE_CHUNK": "4",
        }  # fmt: skip
        beat(speed=1)
        script = [sys.executable, "manage.py", "shell", "-c", START]
        environment = {**os.environ, **fresh_database.environment, **payload}
        subprocess.run(script, cwd=ROOT, env=environment, check=True)
        worker("tests.faults.killing_app", queues="money", **payload)
        until(lambda: len(list(marks.iterdir())) == 4, "killed four times")
        latest = timezone.now() + timedelta(seconds=20)
        working = RunItem.objects.filter(state="working")
        assert not working.filter(leased_until__gt=latest).exists()
        until(lambda: all_issued(16), "finished")
        assert_billed_once(16)


START = """from django.utils import timezone
from billing.invoicing.services.months import start_due
start_due(now=timezone.now())"""
