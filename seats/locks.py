"""Advisory locks by name, for things that have no row of their own."""

from django.db import connection


def lock_name(name: str) -> None:
    """Take the lock of this name, waiting for other holders, until the commit.

    Must be called inside a transaction, before the rows that it protects are read: a
    count that was taken before the lock may be stale. Repeating is harmless.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
