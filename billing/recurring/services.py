"""Run recurring jobs when their rows are due, and record signs of life."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from billing.recurring.models import Pulse, RecurringJob
from core.queue.heartbeat import renewed

LONGEST_ERROR = 500
Clock = Callable[[], datetime]
log = logging.getLogger(__name__)

# A job without a row is due at once.
CLAIM = """
    INSERT INTO billing_recurringjob (name, next_run_at, claims, last_error)
    VALUES (%(name)s, %(leased_until)s, 1, '')
    ON CONFLICT (name) DO UPDATE
    SET next_run_at = %(leased_until)s, claims = billing_recurringjob.claims + 1
    WHERE billing_recurringjob.next_run_at <= %(now)s
    RETURNING claims
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A recurring job: its interval, and the shorter pause after an error."""

    name: str
    every: timedelta
    retry: timedelta = timedelta(minutes=5)


def run_when_due(job: Job, work: Callable[[], object], *, clock: Clock) -> bool:
    """Run `work` if the job is due; return whether it ran.

    Call it as often as you like: while the job is not due, it costs one query by primary
    key. One process runs the job at a time, under a lease that is renewed meanwhile. If
    the process dies, the job is due again when its lease ends, so `work` must be safe
    to repeat. The next run is due `every` after this one began, or `retry` after it raised;
    an exception is stored in the row and raised again.
    """
    now = clock()
    if RecurringJob.objects.filter(pk=job.name, next_run_at__gt=now).exists():
        return False
    claim = _claim(job, now)
    if claim is None:
        return False
    try:
        with renewed(lambda _: _renew(job, claim, clock()), lease=_lease()):
            work()
    except Exception as error:
        log.error("Recurring job %s failed: %r", job.name, error)
        _settle(
            job,
            claim,
            next_run_at=clock() + job.retry,
            last_error=repr(error)[:LONGEST_ERROR],
        )
        raise
    finished_at = clock()
    _settle(
        job,
        claim,
        next_run_at=max(now + job.every, finished_at),
        last_finished_at=finished_at,
        last_error="",
    )
    return True


def _lease() -> timedelta:
    """How long a process that died keeps a job from others."""
    lease: timedelta = settings.BILLING["RECURRING_LEASE"]
    return lease


def _claim(job: Job, now: datetime) -> int | None:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            CLAIM, {"name": job.name, "now": now, "leased_until": now + _lease()}
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _renew(job: Job, claim: int, now: datetime) -> None:
    _settle(job, claim, next_run_at=now + _lease())


def _settle(job: Job, claim: int, **changes: object) -> None:
    """Update the row, unless another process has claimed the job since."""
    RecurringJob.objects.filter(pk=job.name, claims=claim).update(**changes)


def record_pulse(*, queue: str, now: datetime) -> None:
    """Record that a worker of a queue finished a task. Repeating is harmless."""
    Pulse.objects.update_or_create(queue=queue, defaults={"beaten_at": now})
