"""Sweeps of the budgets room."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.budgets.alerting import check_budgets


@shared_task(name="budgets.check_due")
def check_all_budgets(**_newer: Any) -> None:
    """Beat, every minute: how far the budgets have come, and what is to be told."""
    check_budgets(now=timezone.now())
