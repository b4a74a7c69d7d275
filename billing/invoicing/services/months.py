"""Starts the billing of months once they are over, and resumes unfinished runs."""

import logging
from datetime import date, datetime

from billing.invoicing.models.runs import BillingRun
from billing.invoicing.queries.affected_months import first_fact_months
from billing.invoicing.services.runs import MonthNotOver, resume_runs, start_run
from core.periods import month_of, months_between, next_month, previous_month
from seats.models import Agency

log = logging.getLogger(__name__)


def start_due(*, now: datetime) -> list[BillingRun]:
    """Resume runs without a cut or a plan, then start the months that need a run.

    Months are started in order, from the one after the newest run for all payers, or
    from the first fact, up to the last month that is over everywhere. Returns the runs
    that have items to close now. Safe to repeat, also concurrently; with nothing to do
    it costs two short queries.
    """
    runs = resume_runs(now=now)
    for month in _months_to_start(now):
        try:
            runs.append(start_run(month=month, actor="schedule", now=now))
        except MonthNotOver:
            break
    return runs


def _months_to_start(now: datetime) -> list[date]:
    last = previous_month(month_of(now.date()))
    whole = BillingRun.objects.filter(payer=None).order_by("-month")
    newest = whole.values_list("month", flat=True).first()
    if newest:
        return months_between(next_month(newest), last)
    firsts = first_fact_months(set(Agency.objects.values_list("pk", flat=True)))
    return months_between(min(firsts.values()), last) if firsts else []
