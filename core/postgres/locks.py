"""Advisory locks by name, for things that have no row of their own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection


def lock_name(name: str) -> None:
    """Take the lock of this name, waiting for other holders, until the commit.

    Must be called inside a transaction, before the rows that it protects are read: a
    count that was taken before the lock may be stale. Repeating is harmless.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


@contextmanager
def names_locked(names: Sequence[str]) -> Iterator[None]:
    """Hold names while the body runs, which may commit in between; waits for others.

    For work that commits by itself; what fits in one transaction takes `lock_name`.
    They are taken in one order, so that nobody deadlocks.
    """
    _each("pg_advisory_lock", names)
    try:
        yield
    finally:
        _each("pg_advisory_unlock", names)


def _each(function: str, names: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {function}(hashtextextended(name, 0)) FROM"
            " (SELECT unnest(%s::text[]) AS name ORDER BY 1) AS names",
            [list(names)],
        )
