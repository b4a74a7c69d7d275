"""Periodic tasks of the budgets room."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.budgets.services.alerts import check_budgets


@shared_task(name="budgets.check_due")
def check_all_budgets(**_newer: Any) -> None:
    """Every minute: compare budgets with usage and send alerts. Safe to repeat."""
    check_budgets(now=timezone.now())
