"""Locks on things that have no row of their own."""

from django.db import connection


def lock_name(name: str) -> None:
    """Wait for everybody else who locked this name, and hold it until the commit.

    Call it inside a transaction, before the rows that it protects are read: a count
    that was taken before the lock may be old. Repeating is harmless.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
