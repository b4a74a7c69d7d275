"""What of recurring jobs waits for staff."""

from datetime import datetime, timedelta

from django.urls import reverse

from billing.recurring.models import Pulse, RecurringJob
from core.admin.today import Waiting, list_of, waiting, waits

SILENT = timedelta(minutes=5)


@waits(
    "Recurring jobs that failed",
    order=80,
    permission="billing.view_recurringjob",
    todo="Mend what the error names; the job runs again by itself.",
    url=list_of("billing_recurringjob"),
)
def failed_jobs(now: datetime) -> Waiting:
    """Jobs whose last run ended with an error."""
    rows = RecurringJob.objects.exclude(last_error="")
    return waiting(rows, "last_finished_at")


@waits(
    "Queues that no worker serves",
    order=5,
    permission="billing.view_recurringjob",
    todo="Look at Health: it says whether workers, scheduler or broker are missing.",
    url=lambda: reverse("admin:health"),
)
def silent_queues(now: datetime) -> Waiting:
    """Queues whose workers finished nothing for some minutes."""
    return waiting(Pulse.objects.filter(beaten_at__lt=now - SILENT), "beaten_at")
