"""Sweeps of dunning."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.dunning.services.sweep import step_due


@shared_task(name="dunning.step_due")
def step_all_cases(**_newer: Any) -> None:
    """Beat, every minute: open cases for past-due invoices, and take due steps."""
    step_due(now=timezone.now())
