"""A real worker, killed with -9 at each step of a closing, and then another one."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from celery import Celery
from django.conf import settings as django_settings
from django.db import connections

from billing.invoicing.models import BillingRun, Document, RunItem
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.runs import start_run
from billing.payments.verification import verify_everything
from billing.webhooks.models import OutboxEvent
from tests import databases
from tests.build import MARCH, call, make_agency, make_prices, make_seats, use

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
QUICK = {"BILLING_CLOSE_LEASE_SECONDS": "1", "BILLING_CLOSE_RETRY_SECONDS": "1",
         "BROKER_VISIBILITY_SECONDS": "5", "BILLING_CLOSE_CHUNK": "3"}  # fmt: skip
STEPS = ["claimed", "written", "closed", "finished"]
SECONDS = 60


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


def make_world():
    make_prices()
    for n in range(8):
        code = f"A{n}"
        make_seats(make_agency(code), "ana", "ben")
        use(*[call(code, id=f"{code}-{m}") for m in range(5)])


def ring(broker):
    """Wake the sweep, as beat does; a lost message costs one tick."""
    app = Celery(broker=broker)
    app.conf.task_default_queue = "money"
    app.send_task("invoicing.close_due", ignore_result=True)
    app.close()


def outcome():
    """What must be the same whether or not somebody died: all but time and ids."""
    documents = [
        (document.label, document.status, document.total, document.lines.count())
        for document in Document.objects.order_by("payer__code", "number")
    ]
    told = list(
        OutboxEvent.objects.order_by("stream__agency__code", "sequence").values_list(
            "stream__agency__code", "sequence", "type"
        )
    )
    return documents, told


def wait_until_finished(broker):
    deadline = time.monotonic() + SECONDS
    while BillingRun.objects.filter(finished_at=None).exists():
        assert time.monotonic() < deadline, list(
            RunItem.objects.values_list("payer__code", "state", "attempts")
        )
        ring(broker)
        time.sleep(0.5)


@pytest.fixture(scope="module")
def unkilled(django_db_setup, django_db_blocker):
    """The outcome of the same month closed without any fault."""
    before = connections.databases["default"]["NAME"]
    with django_db_blocker.unblock():
        name = databases.clone()
        databases.use(name)
        review = django_settings.BILLING["REVIEW_WINDOW"]
        django_settings.BILLING["REVIEW_WINDOW"] = None
        make_world()
        now = datetime(2026, 4, 2, tzinfo=UTC)
        run = start_run(month=MARCH, actor="test", now=now)
        while close_due(now=now, run=run):
            pass
        result = outcome()
        django_settings.BILLING["REVIEW_WINDOW"] = review
        databases.use(before)
        databases.drop(name)
    return result


class TestKilledWorker:
    @pytest.mark.parametrize("step", STEPS)
    def test_another_worker_finishes_as_if_nothing_had_happened(
        self, step, unkilled, worker, broker, fresh_database, tmp_path
    ):
        make_world()
        start_run(month=MARCH, actor="test", now=datetime(2026, 4, 2, tzinfo=UTC))
        marks = tmp_path / "marks"
        marks.mkdir()
        victim = worker(
            "tests.faults.killing_app", KILL_AT=step, KILL_MARKS=str(marks), **QUICK
        )
        ring(broker)
        deadline = time.monotonic() + SECONDS
        while not victim.is_dead():
            assert time.monotonic() < deadline, victim.log.read_text()
            time.sleep(0.1)

        worker("config", **QUICK)
        wait_until_finished(broker)

        assert len(list(marks.iterdir())) == 1
        assert outcome() == unkilled
        assert verify_everything().findings == []

    def test_a_payer_that_kills_its_worker_is_parked_and_the_others_go_on(
        self, worker, broker, fresh_database, tmp_path
    ):
        """Attempts are counted before the work, so even a crash is an attempt."""
        make_world()
        start_run(month=MARCH, actor="test", now=datetime(2026, 4, 2, tzinfo=UTC))
        RunItem.objects.exclude(payer__code="A0").update(state="done")
        marks = tmp_path / "marks"
        marks.mkdir()
        for _ in range(django_settings.BILLING["CLOSE_ATTEMPTS"]):
            victim = worker(
                "tests.faults.killing_app", KILL_AT="written", KILL_TIMES="99",
                KILL_MARKS=str(marks), **QUICK,
            )  # fmt: skip
            deadline = time.monotonic() + SECONDS
            while not victim.is_dead():
                assert time.monotonic() < deadline
                ring(broker)
                time.sleep(0.3)

        worker("config", **QUICK)
        wait_until_finished(broker)

        item = RunItem.objects.get(payer__code="A0")
        assert (item.state, item.code) == ("parked", "crashed")
        assert Document.objects.count() == 0

    @pytest.mark.parametrize("step", ["cut", "planned"])
    def test_whoever_starts_a_run_may_die_after_the_cut_or_the_plan(
        self, step, unkilled, fresh_database
    ):
        make_world()
        script = (
            "import os, signal, django; django.setup()\n"
            "from datetime import UTC, date, datetime\n"
            "from billing.invoicing.signals import step_reached\n"
            "from billing.invoicing.services.runs import start_run\n"
            "def die(*, step, **_):\n"
            f"    if step == {step!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
            "step_reached.connect(die)\n"
            "start_run(month=date(2026, 3, 1), actor='test',"
            " now=datetime(2026, 4, 2, tzinfo=UTC))\n"
        )
        died = subprocess.run(
            [sys.executable, "-c", script],
            check=False,
            env={
                **os.environ,
                **fresh_database.environment,
                "DJANGO_SETTINGS_MODULE": "config.settings",
            },
        )
        assert died.returncode == -9
        now = datetime(2026, 4, 2, 1, tzinfo=UTC)

        run = start_run(month=MARCH, actor="test", now=now)
        while close_due(now=now, run=run):
            pass

        assert BillingRun.objects.count() == 1
        assert outcome() == unkilled
