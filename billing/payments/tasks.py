"""Sweeps of payments. Each is safe to run twice, and at once."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.payments.checking import verify_due
from billing.payments.reconciliation import reconcile_due
from billing.payments.services.answers import work_off_events
from billing.payments.services.catching_up import catch_up
from billing.payments.services.charging import charge_due
from billing.payments.services.page_closing import end_pages, end_unopened_pages
from billing.payments.services.reporting import report_unresolved
from billing.payments.services.returning import refund_due
from billing.recurring.services import Job, run_when_due

CATCH_UP = Job("payments.catch_up", every=timedelta(minutes=15))
RECONCILE = Job("payments.reconcile", every=timedelta(hours=1))

LONGEST_PASS = 12 * 3600  # seconds; a pass renews its lease, and reads everything


@shared_task(name="payments.charge_due")
def charge_invoices(**_newer: Any) -> None:
    """Beat, every few seconds: attempts that are due, and what became of others."""
    charge_due(clock=timezone.now)


@shared_task(name="payments.refund_due")
def give_back(**_newer: Any) -> None:
    """Beat, every few seconds: refunds that are due, and what became of others."""
    refund_due(clock=timezone.now)


@shared_task(name="payments.end_pages_due")
def close_lapsed_pages(**_newer: Any) -> None:
    """Beat, every minute: pages whose owner does not reach the payer any more, and
    those whose opening ended without an answer."""
    end_unopened_pages(now=timezone.now())
    end_pages(clock=timezone.now)


@shared_task(name="payments.answers_due")
def work_off_answers(**_newer: Any) -> None:
    """Beat, every few seconds: what processors told us."""
    work_off_events(now=timezone.now())


@shared_task(name="payments.report_due")
def report_what_stays_open(**_newer: Any) -> None:
    """Beat, every minute: report outcomes and events that stay open too long."""
    report_unresolved(now=timezone.now())


@shared_task(name="payments.catch_up_due")
def catch_up_with_processors(**_newer: Any) -> None:
    """Beat, every minute; each quarter of an hour by its row: what processors told
    and we did not hear."""
    run_when_due(CATCH_UP, lambda: catch_up(now=timezone.now()), clock=timezone.now)


@shared_task(name="payments.reconcile_due")
def reconcile_missed_days(**_newer: Any) -> None:
    """Beat, every minute; hourly by its row, until each day up to yesterday is
    compared with each processor's list."""
    run_when_due(
        RECONCILE, lambda: reconcile_due(now=timezone.now()), clock=timezone.now
    )


@shared_task(
    name="verification.verify_due",
    time_limit=LONGEST_PASS + 60,
    soft_time_limit=LONGEST_PASS,
)
def verify_books(**_newer: Any) -> None:
    """Beat, every minute: the hourly and the daily pass over the books, when due."""
    verify_due(clock=timezone.now)
