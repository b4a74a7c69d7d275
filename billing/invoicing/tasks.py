"""Sweeps of the invoicing room. Each is safe to run twice, and at once."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.doorbell import ring
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.documents import issue_due
from billing.invoicing.services.months import start_due


@shared_task(name="invoicing.start_due")
def start_due_months(**_newer: Any) -> None:
    """Beat, every minute: start months that are over, resume runs that were left."""
    if start_due(now=timezone.now()):
        ring(close_due_items)


@shared_task(name="invoicing.close_due")
def close_due_items(**_newer: Any) -> None:
    """Beat, and whoever starts a run: close a chunk, and ring again for the next."""
    if close_due(now=timezone.now()):
        ring(close_due_items)


@shared_task(name="invoicing.issue_due")
def issue_due_drafts(**_newer: Any) -> None:
    """Beat, every minute: issue the drafts whose review is over."""
    if issue_due(now=timezone.now()):
        ring(close_due_items)
