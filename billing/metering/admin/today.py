"""What of usage waits for staff."""

from datetime import datetime, timedelta

from billing.metering.models import QuarantinedEvent, UsageImport
from core.admin.today import Waiting, list_of, waiting, waits

FAILURES_SHOWN = timedelta(days=14)


@waits(
    "Quarantined events",
    order=40,
    permission="billing.view_quarantinedevent",
    todo="Add what is missing, such as an agent, then release them; or drop them.",
    url=list_of("billing_quarantinedevent", state__exact="held"),
)
def quarantined_events(now: datetime) -> Waiting:
    """Usage that could not be placed and is not billed."""
    rows = QuarantinedEvent.objects.filter(state=QuarantinedEvent.State.HELD)
    return waiting(rows, "received_at")


@waits(
    "Files whose import failed",
    order=41,
    permission="billing.view_usageimport",
    todo="Read the error, then upload the corrected file; rows count once. It stays here"
    f" for {FAILURES_SHOWN.days} days.",
    url=list_of("billing_usageimport", state__exact="failed"),
)
def failed_imports(now: datetime) -> Waiting:
    """Uploaded files that could not be read to their end."""
    rows = UsageImport.objects.filter(
        state=UsageImport.State.FAILED, created_at__gte=now - FAILURES_SHOWN
    )
    return waiting(rows, "created_at")
