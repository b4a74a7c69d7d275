"""The payers of runs as a queue: claimed under a lease, parked, or tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from billing.invoicing.models import BillingRun, RunItem
from billing.invoicing.signals import step_reached

FEW = 25  # of those whose worker died once; of those whose workers died twice, one

# What was tried before goes in smaller chunks and then alone, so that one payer that
# kills its worker takes no others with it for long.
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
          AND n <= CASE attempts WHEN 0 THEN %(limit)s WHEN 1 THEN %(few)s ELSE 1 END
    )
    UPDATE billing_runitem AS item
    SET state = 'working', attempts = attempts + 1, lease_until = %(lease_until)s
    FROM taken WHERE item.id = taken.id
    RETURNING item.id, item.attempts
"""
# Rows that the closing itself has locked need no lease: nobody else gets them.
RENEW = """
    UPDATE billing_runitem SET lease_until = %(lease_until)s
    WHERE id IN (
        SELECT id FROM billing_runitem
        WHERE id = ANY(%(ids)s) AND state = 'working' AND attempts = %(attempts)s
        FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Items that a worker holds until its lease ends, each at the same attempt."""

    item_ids: list[int]
    attempts: int

    @property
    def is_exhausted(self) -> bool:
        """Whether they were tried too often to be tried again."""
        return self.attempts > int(settings.BILLING["CLOSE_ATTEMPTS"])


def claim_items(*, now: datetime, limit: int, run: BillingRun | None = None) -> Claim:
    """Take due items, counting the attempt before the work, in a commit of its own."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "now": now,
                "run": run.pk if run else None,
                "limit": limit,
                "few": FEW,
                "lease_until": now + settings.BILLING["CLOSE_LEASE"],
            },
        )
        rows = cursor.fetchall()
    if rows:
        step_reached.send(RunItem, step="claimed")
    return Claim([item_id for item_id, _ in rows], rows[0][1] if rows else 0)


def renew_claim(*, claim: Claim, now: datetime) -> None:
    """Move the end of the lease; what others took over meanwhile stays theirs."""
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
    """Set payers aside for a person; their watermarks stay, so nothing is skipped.

    Items that somebody settled meanwhile are left alone.
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
    """Set aside payers that no attempt could close, with the last error if any."""
    items = RunItem.objects.filter(pk__in=item_ids)
    failed = dict(items.exclude(last_error="").values_list("pk", "last_error"))
    crashed = [item_id for item_id in item_ids if item_id not in failed]
    park_items(
        item_ids=crashed,
        code="crashed",
        message="Every attempt ended without a result.",
    )
    for item_id, message in failed.items():
        park_items(item_ids=[item_id], code="failed", message=message)


def retry_item(*, item_id: int, message: str, now: datetime) -> None:
    """Give an item that failed back, for later, unless it is settled."""
    RunItem.objects.filter(pk=item_id, state=RunItem.State.WORKING).update(
        state=RunItem.State.PENDING,
        last_error=message,
        lease_until=None,
        next_attempt_at=now + settings.BILLING["CLOSE_RETRY"],
    )
