"""Cut-offs: the protocol of locks and stamps that every writer of facts follows.

A fact (a seat version, a usage event) is written under a shared lock on the buckets of
its agencies and carries their current cut-off. A cut locks the buckets exclusively, so
when it returns, all facts at or below the number it took are complete and visible.
"""

from collections.abc import Collection, Iterable
from datetime import date

from django.db import connection, transaction

from core.errors import Refusal
from core.postgres.arrays import array_text

BUCKETS = 64
_LOCK_SPACE = 7_301  # first half of the advisory key, to keep clear of others


class CutoffCounterMissing(Refusal):
    """The agency has no cut-off counter, so nothing can be recorded for it.

    Create agencies with `add_agency`.
    """

    code = "cutoff_counter_missing"


def stamp_facts(agency_ids: Iterable[int]) -> dict[int, int]:
    """The current cut-offs of these agencies, by agency id, for facts written now.

    Blocks cuts of these agencies until the transaction ends, so call it first and keep
    the transaction short. Repeating within a transaction is harmless. Raises
    CutoffCounterMissing, and TransactionManagementError outside a transaction.
    """
    ids = set(agency_ids)
    _lock_buckets(ids, "pg_advisory_xact_lock_shared")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT agency_id, cutoff FROM seats_cutoffcounter"
            " WHERE agency_id = ANY(%s::bigint[])",
            [array_text(ids)],
        )
        cutoffs = dict(cursor.fetchall())
    _require_counters(ids, cutoffs)
    return cutoffs


def take_cut(agency_ids: Iterable[int], *, closing: date) -> dict[int, int]:
    """Close the current cut-off of these agencies; return the numbers by agency id.

    `closing` is the month that is billed; later facts for it are late. Waits for all
    writers of facts of these agencies. Each call takes another number. Raises
    CutoffCounterMissing, and TransactionManagementError outside a transaction.
    """
    ids = set(agency_ids)
    _lock_buckets(ids, "pg_advisory_xact_lock")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE seats_cutoffcounter SET
                cutoff = seats_cutoffcounter.cutoff + 1,
                closed_through = greatest(closed_through, %s)
            FROM (
                SELECT agency_id FROM seats_cutoffcounter WHERE agency_id = ANY(%s::bigint[])
                ORDER BY agency_id FOR UPDATE
            ) AS locked
            WHERE seats_cutoffcounter.agency_id = locked.agency_id
            RETURNING seats_cutoffcounter.agency_id, seats_cutoffcounter.cutoff - 1
            """,
            [closing, array_text(ids)],
        )
        taken = dict(cursor.fetchall())
    _require_counters(ids, taken)
    return taken


def _lock_buckets(agency_ids: Collection[int], function: str) -> None:
    """Lock in a statement of its own, so that the next one sees all it waited for."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "Cut-offs can only be stamped or taken inside a transaction."
        )
    buckets = sorted({agency_id % BUCKETS for agency_id in agency_ids})
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {function}(%s, bucket)"
            " FROM unnest(%s::int[]) WITH ORDINALITY AS b(bucket, n) ORDER BY n",
            [_LOCK_SPACE, buckets],
        )


def _require_counters(ids: set[int], cutoffs: dict[int, int]) -> None:
    if missing := ids - cutoffs.keys():
        raise CutoffCounterMissing(
            f"Agency {min(missing)} has no cut-off counter. Create agencies with `add_agency`.",
            field="agency",
        )
