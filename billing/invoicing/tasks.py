"""Periodic tasks of the invoicing room. Each is safe to repeat, also concurrently."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.invoicing.services.closing import close_due
from billing.invoicing.services.documents import issue_due
from billing.invoicing.services.months import start_due
from core.queue.doorbell import ring


@shared_task(name="invoicing.start_due")
def start_due_months(**_newer: Any) -> None:
    """Every minute: start months that are over, and resume unfinished runs."""
    if start_due(now=timezone.now()):
        ring(close_due_items)


@shared_task(name="invoicing.close_due")
def close_due_items(**_newer: Any) -> None:
    """Every minute, and when a run starts: close a chunk, then queue the next."""
    if close_due(now=timezone.now()):
        ring(close_due_items)


@shared_task(name="invoicing.issue_due")
def issue_due_drafts(**_newer: Any) -> None:
    """Every minute: issue the drafts whose review is over."""
    if issue_due(now=timezone.now()):
        ring(close_due_items)
