"""Sweeps of the metering room."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.metering.archiving import archive_due
from billing.metering.imports import forget_refused_rows, work_off_imports
from billing.metering.partitions import ensure_partitions_ahead


@shared_task(name="metering.partitions_due")
def create_partitions(**_newer: Any) -> None:
    """Beat, daily: the partitions of the coming months."""
    ensure_partitions_ahead(today=timezone.now().date())


@shared_task(name="metering.imports_due")
def work_off_uploads(**_newer: Any) -> None:
    """Beat, every few seconds: go on with a file that somebody uploaded."""
    work_off_imports(now=timezone.now())


@shared_task(name="metering.refused_rows_due")
def forget_old_refusals(**_newer: Any) -> None:
    """Beat, daily: forget refused rows that were kept long enough."""
    forget_refused_rows(now=timezone.now())


@shared_task(
    name="metering.archive_due",
    acks_late=False,  # may last longer than the broker waits; tomorrow is soon enough
    time_limit=6 * 3600,
    soft_time_limit=6 * 3600 - 60,
)
def archive_old_months(**_newer: Any) -> None:
    """Beat, daily: move the events of old months to files."""
    archive_due(actor="schedule", now=timezone.now())
