"""Which payers a run has to bill, and the progress of a run."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db import connection

from billing.invoicing.models.runs import BillingRun, RunItem
from core.periods import month_over_at, next_month
from seats.agencies.queries.agencies import zones_of

# Every payer with a fact above its watermark, or with a seat day or usage in a month
# after it. Any version of a seat counts: an item without differences writes nothing.
PLAN = """
    INSERT INTO billing_runitem (run_id, payer_id, state, attempts, next_attempt_at,
                                 code, last_error, documents)
    SELECT DISTINCT %(run)s, pair.payer_id, 'pending', 0, %(now)s::timestamptz,
           '', '', 0
    FROM (
        SELECT id AS payer_id, id AS agency_id FROM seats_agency
        UNION
        SELECT share.payer_id, share_set.agency_id FROM billing_payershare AS share
        JOIN billing_payershareset AS share_set ON share_set.id = share.share_set_id
    ) AS pair
    JOIN billing_runcut AS cut
        ON cut.run_id = %(run)s AND cut.agency_id = pair.agency_id
    LEFT JOIN billing_watermark AS mark
        ON mark.payer_id = pair.payer_id AND mark.agency_id = pair.agency_id
    CROSS JOIN LATERAL (
        SELECT coalesce(mark.billed_cutoff, 0) AS billed_cutoff,
               coalesce((mark.billed_through + interval '1 month')::date,
                        '0001-01-01') AS starts_on
    ) AS open
    WHERE (%(payer)s::bigint IS NULL OR pair.payer_id = %(payer)s)
      AND (EXISTS (
            SELECT FROM seats_seatversion AS version
            WHERE version.agency_id = pair.agency_id AND version.cutoff <= cut.cutoff
              AND (version.cutoff > open.billed_cutoff
                   OR NOT version.cancelled AND open.starts_on < %(ends_on)s
                      AND version.added_on < %(ends_on)s
                      AND (version.removed_on IS NULL
                           OR version.removed_on > open.starts_on
                           OR version.added_on >= open.starts_on)))
        OR EXISTS (
            SELECT FROM billing_usageday AS day
            WHERE day.agency_id = pair.agency_id
              AND day.cutoff > open.billed_cutoff AND day.cutoff <= cut.cutoff)
        OR EXISTS (
            SELECT FROM billing_usageday AS day
            WHERE day.agency_id = pair.agency_id AND day.used_on >= open.starts_on
              AND day.used_on < %(ends_on)s AND day.cutoff <= cut.cutoff)
        OR EXISTS (
            SELECT FROM billing_void AS void
            JOIN billing_document AS document ON document.id = void.document_id
            WHERE void.agency_id = pair.agency_id
              AND document.payer_id = pair.payer_id
              AND void.cutoff > open.billed_cutoff AND void.cutoff <= cut.cutoff))
    ON CONFLICT (run_id, payer_id) DO NOTHING
"""
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
            PLAN,
            {
                "run": run.pk,
                "payer": run.payer_id,
                "now": now,
                "ends_on": next_month(run.month),
            },
        )
        return int(cursor.rowcount)


def progress_of(run_id: int) -> dict[str, int]:
    """The number of a run's items by state."""
    counts = dict.fromkeys(RunItem.State.values, 0)
    for state in RunItem.objects.filter(run=run_id).values_list("state", flat=True):
        counts[state] += 1
    return counts
