"""Run items as a queue of payers: claimed under a lease, parked, or tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.signals import step_reached

RETRY_CHUNK = 25

# Items whose worker died once are claimed in smaller chunks, and after that alone, so
# that a payer that kills its worker does not hold up others for long.
CLAIM = """
    WITH due AS (
        SELECT id, attempts, row_number() OVER (ORDER BY attempts, run_id, payer_id) AS n
        FROM (
            SELECT id, attempts, run_id, payer_id FROM billing_runitem AS item
            WHERE (state = 'pending' AND next_attempt_at <= %(now)s
                   OR state = 'working' AND lease_until <= %(now)s)
              AND (%(run)s::bigint IS NULL OR run_id = %(run)s)
            ORDER BY attempts, run_id, payer_id
            LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ) AS locked
    ), taken AS (
        SELECT id FROM due
        WHERE attempts = (SELECT min(attempts) FROM due)
          AND n <= CASE attempts
              WHEN 0 THEN %(limit)s WHEN 1 THEN %(retry_chunk)s ELSE 1 END
    )
    UPDATE billing_runitem AS item
    SET state = 'working', attempts = attempts + 1, lease_until = %(lease_until)s
    FROM taken WHERE item.id = taken.id
    RETURNING item.id, item.attempts
"""
# Rows that are locked by the closing itself need no lease: nobody else can claim them.
RENEW = """
    UPDATE billing_runitem SET lease_until = %(lease_until)s
    WHERE id IN (
        SELECT id FROM billing_runitem
        WHERE id = ANY(%(ids)s) AND state = 'working' AND attempts = %(attempts)s
        FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class ItemClaim:
    """Items that a worker holds until the lease ends, all at the same attempt."""

    item_ids: list[int]
    attempts: int

    @property
    def is_exhausted(self) -> bool:
        """Whether all attempts were used up before this claim."""
        return self.attempts > int(settings.BILLING["CLOSE_ATTEMPTS"])


def claim_items(
    *, now: datetime, limit: int, run: BillingRun | None = None
) -> ItemClaim:
    """Claim due items. The attempt is counted and committed before the work begins."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "now": now,
                "run": run.pk if run else None,
                "limit": limit,
                "retry_chunk": RETRY_CHUNK,
                "lease_until": now + settings.BILLING["CLOSE_LEASE"],
            },
        )
        rows = cursor.fetchall()
    if rows:
        step_reached.send(RunItem, step="claimed")
    return ItemClaim([item_id for item_id, _ in rows], rows[0][1] if rows else 0)


def renew_claim(*, claim: ItemClaim, now: datetime) -> None:
    """Extend the lease of the items that were not claimed by others meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            RENEW,
            {
                "ids": claim.item_ids,
                "attempts": claim.attempts,
                "lease_until": now + settings.BILLING["CLOSE_LEASE"],
            },
        )


def park_items(*, item_ids: Sequence[int], code: str, message: str) -> None:
    """Park payers for a person to look at. Watermarks stay, so nothing is skipped.

    `code` and `message` tell why. Items that were settled meanwhile are skipped.
    """
    with transaction.atomic():
        RunItem.objects.filter(pk__in=item_ids, state=RunItem.State.WORKING).update(
            state=RunItem.State.PARKED,
            code=code,
            last_error=message,
            lease_until=None,
        )
    step_reached.send(RunItem, step="parked")


def park_exhausted(*, item_ids: Sequence[int]) -> None:
    """Park payers whose attempts are used up, with their last error if there is one."""
    items = RunItem.objects.filter(pk__in=item_ids)
    failed = dict(items.exclude(last_error="").values_list("pk", "last_error"))
    crashed = [item_id for item_id in item_ids if item_id not in failed]
    park_items(
        item_ids=crashed,
        code="crashed",
        message="The worker stopped during every attempt. Look for errors in its log,"
        " then bill the payer again.",
    )
    for item_id, message in failed.items():
        park_items(item_ids=[item_id], code="failed", message=message)


def retry_item(*, item_id: int, message: str, now: datetime) -> None:
    """Make a failed item due again later, unless it was settled meanwhile."""
    RunItem.objects.filter(pk=item_id, state=RunItem.State.WORKING).update(
        state=RunItem.State.PENDING,
        last_error=message,
        lease_until=None,
        next_attempt_at=now + settings.BILLING["CLOSE_RETRY"],
    )
