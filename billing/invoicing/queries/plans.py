"""Which payers a run has to bill, and the progress of a run."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.queries.sql import INSERT_PLAN, PAYERS_TO_BILL
from core.periods import month_over_at, next_month
from seats.agencies.queries.agencies import zones_of

AGENCIES_PAID_BY = """
    SELECT %(payer)s::bigint
    UNION
    SELECT share_set.agency_id FROM billing_payershare AS share
    JOIN billing_payershareset AS share_set ON share_set.id = share.share_set_id
    WHERE share.payer_id = %(payer)s
"""


def agencies_paid_by(payer_id: int) -> set[int]:
    """The ids of the agencies that a payer pays or paid for, including its own."""
    with connection.cursor() as cursor:
        cursor.execute(AGENCIES_PAID_BY, {"payer": payer_id})
        return {row[0] for row in cursor.fetchall()}


def billable_from(month: date, agency_ids: Collection[int]) -> datetime:
    """When a month and the grace period after it have ended for all these agencies."""
    grace: timedelta = settings.BILLING["GRACE"]
    ends = [month_over_at(month, zones) for zones in zones_of(agency_ids).values()]
    return max(ends, default=datetime.combine(next_month(month), time(), UTC)) + grace


def insert_plan(run: BillingRun, now: datetime) -> int:
    """Insert one item for each payer to bill; return how many were inserted."""
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_PLAN,
            {
                "run": run.pk,
                "payer": run.payer_id,
                "now": now,
                "ends_on": next_month(run.month),
            },
        )
        return int(cursor.rowcount)


def payers_to_bill(month: date) -> list[int]:
    """The ids of the payers that a run of a month would plan now, in order."""
    with connection.cursor() as cursor:
        params = {"payer": None, "ends_on": next_month(month)}
        cursor.execute(f"{PAYERS_TO_BILL} ORDER BY payer_id", params)
        return [payer_id for (payer_id,) in cursor.fetchall()]


def billed_totals(month: date, payer_ids: Collection[int]) -> dict[int, Decimal]:
    """What documents of a month come to without tax, voids left out, by payer id."""
    documents = Document.objects.filter(month=month, payer__in=payer_ids)
    sums = (
        documents.exclude(state=Document.State.VOID)
        .order_by()
        .values_list("payer")
        .annotate(Sum("subtotal"))
    )
    return dict(sums)


def progress_of(run_id: int) -> dict[str, int]:
    """The number of a run's items by state."""
    counts = dict.fromkeys(RunItem.State.values, 0)
    for state in RunItem.objects.filter(run=run_id).values_list("state", flat=True):
        counts[state] += 1
    return counts
