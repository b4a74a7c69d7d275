"""A real worker, killed with -9, and what the schedule makes of it."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.runs import start_run
from tests.build import make_prices
from tests.faults.recovery import FAST
from tests.faults.test_schedule_alone import QUICK, last_month, make_world, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
AT_ONCE = {**QUICK, "BILLING_REVIEW_SECONDS": "0"}


@pytest.fixture
def run(fresh_database, settings):
    """Last month, planned for four payers."""
    settings.BILLING = {**settings.BILLING, "GRACE": timedelta(0)}
    make_prices()
    make_world(4)
    return start_run(month=last_month(), actor="test", now=timezone.now())


def is_finished():
    return not BillingRun.objects.filter(finished_at=None).exists()


def test_another_worker_goes_on_after_a_power_cut(run, worker, beat):
    """The whole process group at once, with whatever it is at."""
    victim = worker("config", "money", **AT_ONCE)
    beat(speed=FAST)
    until(lambda: not RunItem.objects.filter(attempts=0).exists(), "claimed")
    victim.kill()

    worker("config", "money", **AT_ONCE)
    until(is_finished, "finished")

    assert Document.objects.count() == 4
    assert verify_everything().findings == []


def test_a_payer_that_kills_its_worker_is_parked_and_the_others_go_on(
    run, worker, beat, tmp_path
):
    """Attempts are counted before the work, so even a crash is an attempt."""
    run.items.exclude(payer__code="A0").update(state="done")
    marks = tmp_path / "marks"
    marks.mkdir()
    worker(
        "tests.faults.killing_app", "money", KILL_AT="written", KILL_TIMES="99",
        KILL_MARKS=str(marks), **AT_ONCE,
    )  # fmt: skip
    beat(speed=FAST)
    until(is_finished, "finished")

    item = run.items.get(payer__code="A0")
    assert (item.state, item.code) == ("parked", "crashed")
    assert len(list(marks.iterdir())) == django_settings.BILLING["CLOSE_ATTEMPTS"]
    assert not Document.objects.exists()
