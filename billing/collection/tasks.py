"""Celery tasks of payments. Each is safe to run twice, and concurrently."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.collection.services.charges import charge_due
from billing.collection.services.checkout_closing import (
    close_out_of_reach_pages,
    give_up_unopened_pages,
)
from billing.collection.services.event_backfill import backfill_events
from billing.collection.services.inbound_events import process_events
from billing.collection.services.reconciliation import reconcile_due
from billing.collection.services.refund_requests import refund_due
from billing.collection.services.unresolved import report_unresolved
from billing.collection.verification.passes import verify_due
from billing.recurring.services import Job, run_when_due

CATCH_UP = Job("payments.catch_up", every=timedelta(minutes=15))
RECONCILE = Job("payments.reconcile", every=timedelta(hours=1))

LONGEST_PASS = 12 * 3600  # seconds; a pass reads everything and renews its lease


@shared_task(name="payments.charge_due")
def charge_invoices(**_newer: Any) -> None:
    """Every few seconds: send payment attempts that are due and look up open ones."""
    charge_due(clock=timezone.now)


@shared_task(name="payments.refund_due")
def send_due_refunds(**_newer: Any) -> None:
    """Every few seconds: send refund attempts that are due and look up open ones."""
    refund_due(clock=timezone.now)


@shared_task(name="payments.end_pages_due")
def end_checkout_pages(**_newer: Any) -> None:
    """Every minute: close checkout pages whose owner no longer reaches the payer, and
    give up those that the processor never confirmed."""
    give_up_unopened_pages(now=timezone.now())
    close_out_of_reach_pages(clock=timezone.now)


@shared_task(name="payments.process_events_due")
def process_processor_events(**_newer: Any) -> None:
    """Every few seconds: process inbound processor events that are due."""
    process_events(now=timezone.now())


@shared_task(name="payments.report_due")
def report_unresolved_attempts(**_newer: Any) -> None:
    """Every minute: report attempts and events that have been open for too long."""
    report_unresolved(now=timezone.now())


@shared_task(name="payments.catch_up_due")
def backfill_processor_events(**_newer: Any) -> None:
    """Beat calls it every minute, its row lets it run every 15 minutes: store events
    that processors list but could not deliver."""
    run_when_due(
        CATCH_UP, lambda: backfill_events(now=timezone.now()), clock=timezone.now
    )


@shared_task(name="payments.reconcile_due")
def reconcile_missed_days(**_newer: Any) -> None:
    """Beat calls it every minute, its row lets it run hourly: reconcile each day up to
    yesterday with each processor's list."""
    run_when_due(
        RECONCILE, lambda: reconcile_due(now=timezone.now()), clock=timezone.now
    )


@shared_task(
    name="verification.verify_due",
    time_limit=LONGEST_PASS + 60,
    soft_time_limit=LONGEST_PASS,
)
def verify_books(**_newer: Any) -> None:
    """Every minute: make the hourly and the daily verification pass if due."""
    verify_due(clock=timezone.now)
