"""What of webhooks waits for staff."""

from datetime import datetime

from django.db.models.functions import Coalesce

from billing.webhooks.models import WebhookEndpoint
from core.admin.today import Waiting, list_of, waiting, waits

HOLDING = ["paused", "disabled"]


@waits(
    "Endpoints that hold their events",
    order=60,
    permission="billing.view_webhookendpoint",
    todo="Ask the owner to mend the receiver, then resume the endpoint.",
    url=list_of(
        "billing_webhookendpoint", state__in=",".join(HOLDING), deleted_at__isempty="1"
    ),
)
def held_endpoints(now: datetime) -> Waiting:
    """Endpoints that get nothing until somebody resumes them."""
    rows = WebhookEndpoint.objects.filter(state__in=HOLDING, deleted_at=None)
    since = Coalesce("failing_since", "created_at")
    return waiting(rows.annotate(held_since=since), "held_since")
