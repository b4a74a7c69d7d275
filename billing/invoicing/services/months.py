"""Starting the month by itself, once it is over everywhere."""

from datetime import datetime

from billing.invoicing.models import BillingRun
from billing.invoicing.services.runs import MonthNotOver, start_run
from seats.periods import month_of, previous_month


def start_due(*, now: datetime) -> BillingRun | None:
    """Start last month's run unless there is one or it is not over yet."""
    month = previous_month(month_of(now.date()))
    if BillingRun.objects.filter(month=month, payer=None).exists():
        return None
    try:
        return start_run(month=month, actor="schedule", now=now)
    except MonthNotOver:
        return None
