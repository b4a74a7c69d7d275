"""Run items as a queue of payers: claimed under a lease, parked, or tried again."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Value, When

from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.signals import step_reached
from core.queue.models import last_error_or

# Items whose worker died once are claimed in smaller chunks, and after that alone, so
# that a payer that kills its worker does not hold up others for long.
RETRY_CHUNK = 25
CRASHED = (
    "The worker stopped during every attempt. Look for errors in its log,"
    " then bill the payer again."
)


def claim_items(
    *, now: datetime, limit: int, run: BillingRun | None = None
) -> list[RunItem]:
    """Claim due items. The attempt is counted and committed before the work begins."""
    items = RunItem.objects.order_by("attempts", "run", "payer")
    if run:
        items = items.filter(run=run)
    with transaction.atomic(durable=True):
        claimed = items.claim(
            now=now,
            lease=settings.BILLING["CLOSE_LEASE"],
            limit=limit,
            retry_limits=[RETRY_CHUNK, 1],
        )
    if claimed:
        step_reached.send(RunItem, step="claimed")
    return claimed


def park_exhausted(*, now: datetime, run: BillingRun | None = None) -> int:
    """Park due payers whose attempts are used up, with their last error; return how many."""
    items = RunItem.objects.filter(run=run) if run else RunItem.objects.all()
    with transaction.atomic(durable=True):
        parked = items.park_exhausted(
            RunItem.State.PARKED,
            now=now,
            most=settings.BILLING["CLOSE_ATTEMPTS"],
            code=Case(
                When(last_error="", then=Value("crashed")), default=Value("failed")
            ),
            last_error=last_error_or(CRASHED),
        )
    if parked:
        step_reached.send(RunItem, step="parked")
    return len(parked)


def park_items(*, item_ids: Sequence[int], code: str, message: str) -> None:
    """Park payers for a person to look at. Watermarks stay, so nothing is skipped.

    `code` and `message` tell why. Items that were settled meanwhile are skipped.
    """
    with transaction.atomic():
        items = RunItem.objects.filter(pk__in=item_ids, state=RunItem.State.WORKING)
        items.finish(RunItem.State.PARKED, code=code, last_error=message)
    step_reached.send(RunItem, step="parked")


def retry_item(*, item: RunItem, message: str, now: datetime) -> None:
    """Make a failed item due again later, unless it was settled or claimed meanwhile."""
    RunItem.objects.held([item]).retry_later(
        now + settings.BILLING["CLOSE_RETRY"], error=message
    )
