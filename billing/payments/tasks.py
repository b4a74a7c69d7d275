"""Sweeps of payments. Each is safe to run twice, and at once."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.payments.reconciliation import reconcile_due
from billing.payments.services.answers import work_off_events
from billing.payments.services.catching_up import catch_up
from billing.payments.services.charging import charge_due
from billing.payments.services.reporting import report_unresolved
from billing.payments.services.returning import refund_due


@shared_task(name="payments.charge_due")
def charge_invoices(**_newer: Any) -> None:
    """Beat, every few seconds: attempts that are due, and what became of others."""
    charge_due(clock=timezone.now)


@shared_task(name="payments.refund_due")
def give_back(**_newer: Any) -> None:
    """Beat, every few seconds: refunds that are due, and what became of others."""
    refund_due(clock=timezone.now)


@shared_task(name="payments.answers_due")
def work_off_answers(**_newer: Any) -> None:
    """Beat, every few seconds: what processors told us."""
    work_off_events(now=timezone.now())


@shared_task(name="payments.report_due")
def report_what_stays_open(**_newer: Any) -> None:
    """Beat, every minute: tell staff of outcomes and events that stay open too long."""
    report_unresolved(now=timezone.now())


@shared_task(name="payments.catch_up_due")
def catch_up_with_processors(**_newer: Any) -> None:
    """Beat, every quarter of an hour: what processors told and we did not hear."""
    catch_up(now=timezone.now())


@shared_task(name="payments.reconcile_due")
def reconcile_yesterday(**_newer: Any) -> None:
    """Beat, every hour, until yesterday is compared with each processor's list."""
    reconcile_due(now=timezone.now())
