"""What of dunning waits for staff."""

from datetime import datetime, timedelta

from django.db.models import Max

from billing.dunning.models import DunningCase
from core.admin.today import Waiting, list_of, waiting, waits

SOON = timedelta(days=7)


@waits(
    "Pauses of dunning that end soon",
    order=70,
    permission="billing.view_dunninghold",
    todo="Settle the matter with the payer, or pause its dunning for longer.",
    url=list_of("billing_dunninghold"),
)
def ending_pauses(now: datetime) -> Waiting:
    """Open cases whose newest pause ends within a week."""
    cases = DunningCase.objects.filter(closed_at=None).annotate(
        held_until=Max("payer__dunning_holds__until")
    )
    rows = cases.filter(held_until__gt=now, held_until__lte=now + SOON)
    return waiting(rows, "held_until")
