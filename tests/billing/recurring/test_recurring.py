"""Recurring work: when it is due, who does it, and what happens when it fails."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as django_settings

from billing.recurring.models import RecurringJob
from billing.recurring.services import Job, run_when_due
from core.queue.heartbeat import renewed

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
DAILY = Job("test.daily", every=DAY)
LEASE = django_settings.BILLING["RECURRING_LEASE"]


class Clock:
    """A clock that stands until it is set."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.mark.django_db
class TestRunWhenDue:
    def test_does_the_work_at_once_and_then_after_its_time(self, clock):
        done = []

        def ring(at):
            clock.now = at
            return run_when_due(DAILY, lambda: done.append(at), clock=clock)

        rings = [ring(NOON), ring(NOON + MINUTE), ring(NOON + DAY - MINUTE)]
        assert rings == [True, False, False]
        assert ring(NOON + DAY) is True
        assert ring(NOON + 9 * DAY) is True
        assert done == [NOON, NOON + DAY, NOON + 9 * DAY]

    def test_costs_one_query_while_nothing_is_due(
        self, clock, django_assert_num_queries
    ):
        run_when_due(DAILY, lambda: None, clock=clock)

        with django_assert_num_queries(1):
            run_when_due(DAILY, lambda: None, clock=clock)

    def test_tries_again_soon_after_an_error_and_keeps_it(self, clock):
        with pytest.raises(ZeroDivisionError):
            run_when_due(DAILY, lambda: 1 / 0, clock=clock)

        job = RecurringJob.objects.get()
        assert "ZeroDivisionError" in job.last_error
        clock.now = NOON + DAILY.retry
        assert run_when_due(DAILY, lambda: None, clock=clock) is True
        job.refresh_from_db()
        assert (job.last_error, job.last_finished_at) == ("", clock.now)

    def test_is_due_again_when_the_lease_of_somebody_who_died_has_ended(self, clock):
        class Died(BaseException):
            pass

        def die():
            raise Died

        with pytest.raises(Died):
            run_when_due(DAILY, die, clock=clock)

        clock.now = NOON + LEASE - timedelta(seconds=1)
        assert run_when_due(DAILY, lambda: None, clock=clock) is False
        clock.now = NOON + LEASE
        assert run_when_due(DAILY, lambda: None, clock=clock) is True

    def test_who_lost_the_lease_says_nothing_for_the_next(self, clock):
        def be_slow():
            clock.now += LEASE
            run_when_due(DAILY, lambda: None, clock=clock)
            clock.now += MINUTE

        run_when_due(DAILY, be_slow, clock=clock)

        assert RecurringJob.objects.get().last_finished_at == NOON + LEASE


@pytest.mark.timeout(120)
class TestAtOnce:
    def test_one_of_many_does_the_work_and_keeps_its_lease(
        self, fresh_database, run_in_threads, settings
    ):
        """Longer than its lease, so that only renewals keep the others off."""
        lease = timedelta(seconds=1)
        settings.BILLING = {**settings.BILLING, "RECURRING_LEASE": lease}
        working, done = threading.Event(), []

        def clock():
            return datetime.now(UTC)

        def work():
            working.set()
            time.sleep(3)
            done.append(1)

        def ring_for_a_while():
            assert working.wait(30)
            ended = []
            while not done:
                ended.append(run_when_due(DAILY, lambda: done.append(2), clock=clock))
                time.sleep(0.1)
            return any(ended)

        results = run_in_threads(
            lambda: run_when_due(DAILY, work, clock=clock), ring_for_a_while
        )

        assert results == [True, False]
        assert done == [1]


class TestRenewed:
    def test_renews_while_the_body_runs_and_no_longer(self):
        calls: list[timedelta] = []
        enough = threading.Event()

        def renew(elapsed):
            calls.append(elapsed)
            if len(calls) == 3:
                enough.set()

        with renewed(renew, lease=timedelta(seconds=0.3)):
            assert enough.wait(30)

        count = len(calls)
        assert calls == sorted(calls)
        time.sleep(0.3)
        assert len(calls) == count

    def test_costs_nothing_where_the_body_is_quick(self):
        calls: list[timedelta] = []

        with renewed(calls.append, lease=timedelta(hours=1)):
            pass

        assert calls == []
