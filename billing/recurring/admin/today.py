"""What of recurring jobs waits for staff."""

from datetime import datetime

from billing.recurring.models import RecurringJob
from core.admin.today import Waiting, list_of, waiting, waits


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
