"""The lock and stamp protocol that every writer of facts follows.

A fact is written under a shared lock on its agencies' buckets and carries their
current cut-off. A cut takes the buckets exclusively, so that when it returns,
every fact at or below the number it took is complete and visible.
"""

from collections.abc import Collection, Iterable
from datetime import date

from django.db import connection, transaction

from seats.arrays import array_text
from seats.errors import Refusal

BUCKETS = 64
_LOCK_SPACE = 7_301  # first half of the advisory key, to keep clear of others


class BooksMissing(Refusal):
    code = "books_missing"


def stamp_facts(agency_ids: Iterable[int]) -> dict[int, int]:
    """The cut-off that facts of these agencies carry, by agency id.

    Holds off every cut of them until the transaction ends, so call it first and
    keep the transaction short. Repeating within a transaction is harmless.
    Raises BooksMissing.
    """
    ids = set(agency_ids)
    _lock_buckets(ids, "pg_advisory_xact_lock_shared")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT agency_id, cutoff FROM seats_books"
            " WHERE agency_id = ANY(%s::bigint[])",
            [array_text(ids)],
        )
        stamps = dict(cursor.fetchall())
    _require_books(ids, stamps)
    return stamps


def take_cut(agency_ids: Iterable[int], *, closing: date) -> dict[int, int]:
    """Close the current cut-off of these agencies; the numbers taken, by agency id.

    `closing` is the month being billed; it tells a late fact from a punctual one.
    Waits for every writer of facts; raises BooksMissing.
    """
    ids = set(agency_ids)
    _lock_buckets(ids, "pg_advisory_xact_lock")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE seats_books SET
                cutoff = seats_books.cutoff + 1,
                closed_through = greatest(closed_through, %s)
            FROM (
                SELECT agency_id FROM seats_books WHERE agency_id = ANY(%s::bigint[])
                ORDER BY agency_id FOR UPDATE
            ) AS locked
            WHERE seats_books.agency_id = locked.agency_id
            RETURNING seats_books.agency_id, seats_books.cutoff - 1
            """,
            [closing, array_text(ids)],
        )
        taken = dict(cursor.fetchall())
    _require_books(ids, taken)
    return taken


def _lock_buckets(agency_ids: Collection[int], function: str) -> None:
    """One statement of its own: what is read next sees all that it waited for."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "Facts are stamped and cut inside a transaction."
        )
    buckets = sorted({agency_id % BUCKETS for agency_id in agency_ids})
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {function}(%s, bucket)"
            " FROM unnest(%s::int[]) WITH ORDINALITY AS b(bucket, n) ORDER BY n",
            [_LOCK_SPACE, buckets],
        )


def _require_books(ids: set[int], found: dict[int, int]) -> None:
    if missing := ids - found.keys():
        raise BooksMissing(f"No books for agency {min(missing)}.", field="agency")
