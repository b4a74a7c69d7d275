"""Sweeps of the metering room."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.metering.partitions import ensure_partitions_ahead


@shared_task(name="metering.partitions_due")
def create_partitions(**_newer: Any) -> None:
    """Beat, daily: the partitions of the coming months."""
    ensure_partitions_ahead(today=timezone.now().date())
