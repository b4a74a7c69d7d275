"""Periodic tasks of metering. All are safe to repeat and to run in parallel."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.metering.services.archiving import archive_due
from billing.metering.services.conversations import (
    decide_waiting_legs,
    delete_old_legs,
)
from billing.metering.services.imports import (
    delete_old_rejected_rows,
    resume_next_import,
)
from billing.metering.services.partitions import ensure_partitions_ahead
from billing.recurring.services import Job, run_when_due

DAY = timedelta(days=1)
PARTITIONS = Job("metering.partitions", every=DAY)
REJECTED_ROWS = Job("metering.rejected_rows", every=DAY)
WAITING_LEGS = Job("metering.waiting_legs", every=timedelta(hours=1))
OLD_LEGS = Job("metering.old_legs", every=DAY)
ARCHIVE = Job("metering.archive", every=DAY, retry=timedelta(hours=1))


@shared_task(name="metering.partitions_due")
def create_partitions(**_newer: Any) -> None:
    """Create the partitions of the coming months. Beat: every minute, runs once a day."""
    run_when_due(
        PARTITIONS,
        lambda: ensure_partitions_ahead(today=timezone.now().date()),
        clock=timezone.now,
    )


@shared_task(name="metering.imports_due")
def resume_uploads(**_newer: Any) -> None:
    """Continue one uploaded file. Beat: every few seconds."""
    resume_next_import(now=timezone.now())


@shared_task(name="metering.rejected_rows_due")
def clean_rejected_rows(**_newer: Any) -> None:
    """Delete rejected rows past their time. Beat: every minute, runs once a day."""
    run_when_due(
        REJECTED_ROWS,
        lambda: delete_old_rejected_rows(now=timezone.now()),
        clock=timezone.now,
    )


@shared_task(name="metering.waiting_legs_due")
def decide_waiting(**_newer: Any) -> None:
    """Decide legs whose month is over. Beat: every minute, runs once an hour."""
    run_when_due(
        WAITING_LEGS,
        lambda: decide_waiting_legs(now=timezone.now()),
        clock=timezone.now,
    )


@shared_task(name="metering.old_legs_due")
def clean_legs(**_newer: Any) -> None:
    """Delete legs that are decided for good. Beat: every minute, runs once a day."""
    run_when_due(
        OLD_LEGS,
        lambda: delete_old_legs(now=timezone.now()),
        clock=timezone.now,
    )


@shared_task(
    name="metering.archive_due",
    acks_late=False,  # may outlast the broker's visibility timeout; the row retries it
    time_limit=6 * 3600,
    soft_time_limit=6 * 3600 - 60,
)
def archive_old_months(**_newer: Any) -> None:
    """Move events of old months to files. Beat: every minute, runs once a day."""
    run_when_due(
        ARCHIVE,
        lambda: archive_due(actor="schedule", now=timezone.now()),
        clock=timezone.now,
    )
