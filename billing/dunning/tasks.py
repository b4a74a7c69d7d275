"""Sweeps of the dunning room."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.dunning.stepping import step_due


@shared_task(name="dunning.step_due")
def step_all_cases(**_newer: Any) -> None:
    """Beat, every minute: what is past due, and the steps that are due."""
    step_due(now=timezone.now())
