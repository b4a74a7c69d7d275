"""What holds of every queue: claims, leases, retries, ends, and how much waits.

Every table that is a queue is tested, so a new one needs an entry in `tests/core/queues.py`.
"""

import time
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from core.queue.models import Backlog, kept_leased, queues
from tests.core.queues import CASES, LEASE, NOW

LATER = NOW + LEASE
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=queues(), ids=lambda table: table.__name__)
def table(request):
    assert request.param in CASES, f"Add {request.param.__name__} to CASES."
    return request.param


@pytest.fixture
def case(table, settings):
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "localhost", "a@example.com"
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    return CASES[table]


@pytest.fixture
def two_due(db, case):
    case.make()


@pytest.fixture
def two_committed(fresh_database, case):
    case.make()


def claim(table, now=NOW, limit=None):
    return table.objects.order_by("pk").claim(now=now, lease=LEASE, limit=limit)


def ids(rows):
    return [row.pk for row in rows]


@pytest.mark.usefixtures("two_committed")
class TestClaims:
    def test_at_the_same_time_never_get_the_same_row(self, table, run_in_threads):
        claims = run_in_threads(*[lambda: claim(table, limit=1)] * 4)

        claimed = [pk for rows in claims for pk in ids(rows)]
        assert sorted(claimed) == sorted(set(claimed))
        claimed += ids(claim(table))
        assert sorted(claimed) == sorted(table.objects.values_list("pk", flat=True))

    def test_skip_the_rows_of_a_claim_that_is_not_committed(
        self, table, run_in_threads
    ):
        with transaction.atomic():
            first = claim(table, limit=1)
            (second,) = run_in_threads(lambda: claim(table))

        assert len(first) == len(second) == 1
        assert ids(first) != ids(second)
        assert claim(table) == []

    def test_that_die_before_the_commit_give_their_rows_back(
        self, table, run_in_threads
    ):
        def die():
            transaction.set_autocommit(False)
            rows = claim(table)
            connection.close()
            return rows

        (lost,) = run_in_threads(die)
        again: list[Any] = []
        while not again:  # until the server sees that the connection is closed
            again = claim(table)
            time.sleep(0.01)

        assert ids(again) == ids(lost)
        assert [row.attempts for row in again] == [1, 1]

    def test_count_the_attempt_before_the_work(self, table, run_in_threads):
        claimed = claim(table, limit=1)

        def read():
            row = table.objects.get(pk__in=ids(claimed))
            return row.attempts, row.leased_until

        assert run_in_threads(read) == [(1, LATER)]

    def test_are_kept_while_the_work_lasts(self, table):
        now = NOW
        (row,) = claim(table, limit=1)

        with kept_leased([row], now=now, lease=timedelta(seconds=0.3)):
            while table.objects.get(pk=row.pk).leased_until >= LATER:
                pass  # the first renewal, with the short lease

        assert NOW < table.objects.get(pk=row.pk).leased_until < LATER


@pytest.mark.usefixtures("two_due")
class TestLeases:
    def test_end_and_give_the_row_to_the_next(self, table):
        first = claim(table)
        assert claim(table, now=LATER - timedelta(microseconds=1)) == []

        again = claim(table, now=LATER)

        assert ids(again) == ids(first)
        assert [row.attempts for row in again] == [2, 2]

    def test_that_ended_settle_nothing_any_more(self, table, case):
        lost = claim(table)
        again = claim(table, now=LATER)

        held = table.objects.held(lost)
        assert held.finish(case.finished, **case.finishing) == 0
        assert held.retry_later(NOW, error="late") == 0
        table.objects.renew(lost, until=NOW + 60 * MINUTE)

        for row in again:
            stored = table.objects.get(pk=row.pk)
            assert (stored.state, stored.leased_until) == (row.state, LATER + LEASE)
            assert stored.last_error != "late"

    def test_are_renewed_by_their_holder(self, table):
        rows = claim(table)

        table.objects.renew(rows, until=LATER + LEASE)

        assert claim(table, now=LATER) == []
        assert len(claim(table, now=LATER + LEASE)) == 2

    def test_are_of_unfinished_rows_only(self, table, case):
        rows = table.objects.filter(pk__in=ids(claim(table, limit=1)))
        with pytest.raises(IntegrityError, match="lease"), transaction.atomic():
            rows.update(state=case.finished, **case.finishing)

    def test_belong_to_rows_that_are_worked_on(self, table):
        (row,) = claim(table, limit=1)
        rows = table.objects.filter(pk=row.pk)
        if row.state in table.queue.waiting:
            assert rows.update(leased_until=None) == 1
        else:
            with pytest.raises(IntegrityError, match="lease"), transaction.atomic():
                rows.update(leased_until=None)


@pytest.mark.usefixtures("two_due")
class TestRows:
    def test_that_are_retried_later_wait_without_a_lease(self, table):
        claimed = claim(table, limit=1)

        table.objects.held(claimed).retry_later(NOW + MINUTE, error="busy")

        (row,) = table.objects.filter(pk__in=ids(claimed))
        assert row.state in table.queue.waiting
        assert (row.next_attempt_at, row.leased_until) == (NOW + MINUTE, None)
        assert (row.attempts, row.last_error) == (1, "busy")
        due = table.objects.filter(pk=row.pk)
        assert not due.due(NOW + MINUTE - timedelta(microseconds=1)).exists()
        assert due.due(NOW + MINUTE).exists()

    def test_that_are_finished_have_no_lease_and_are_never_due(self, table, case):
        claimed = claim(table, limit=1)

        table.objects.held(claimed).finish(case.finished, **case.finishing)

        (row,) = table.objects.filter(pk__in=ids(claimed))
        assert (row.state, row.leased_until) == (case.finished, None)
        later = claim(table, now=NOW + timedelta(days=999))
        assert row.pk not in ids(later)
        assert len(later) == 1

    def test_whose_attempts_are_used_up_are_parked(self, table, case):
        (row,) = claim(table, limit=1)
        claim(table)
        lapsed = table.objects.filter(pk=row.pk)
        lapsed.update(leased_until=NOW, **case.exhausted())
        before = lapsed.get().attempts

        case.sweep()

        row = lapsed.get()
        if case.parked:
            assert (row.state, row.leased_until) == (case.parked, None)
            assert row.last_error
        else:
            assert row.is_leased(NOW)
            assert row.attempts == before + 1


@pytest.mark.usefixtures("two_due")
class TestBacklog:
    def test_counts_what_is_due_and_how_long_the_oldest_was(self, table):
        assert table.objects.backlog(now=NOW - MINUTE) == Backlog(0, timedelta())
        assert table.objects.backlog(now=NOW + MINUTE) == Backlog(2, MINUTE)

    def test_leaves_out_what_is_in_progress_until_its_worker_is_lost(self, table):
        claim(table, limit=1)

        assert table.objects.backlog(now=NOW).depth == 1
        claim(table)
        assert table.objects.backlog(now=NOW) == Backlog(0, timedelta())
        assert table.objects.backlog(now=LATER) == Backlog(2, LEASE)

    def test_is_printed_by_the_command(self, table):
        printed = StringIO()
        with time_machine.travel(NOW + 90 * MINUTE, tick=False):
            call_command("backlog", stdout=printed)

        rows = [line.rsplit(maxsplit=2) for line in printed.getvalue().splitlines()[1:]]
        assert len(rows) == len(queues())
        assert [str(table._meta.verbose_name_plural), "2", "1:30:00"] in rows
