"""The monthly partitions of usage events: made ahead, found, and detached."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db import connection, transaction

from seats.periods import month_of, next_month

ATTACHED = """
    SELECT part.relname FROM pg_inherits
    JOIN pg_class AS part ON part.oid = inhrelid
    WHERE inhparent = 'billing_usageevent'::regclass ORDER BY 1
"""
PREFIX = "billing_usageevent_"
_known: dict[str, set[date]] = {}  # by database, months that were made


def ensure_partitions(days: Iterable[date]) -> None:
    """Make the partitions that these dates need, in a transaction of their own.

    Nobody who reads or writes waits for it. A month that is archived is refused by
    the database.
    """
    known = _known.setdefault(str(connection.settings_dict["NAME"]), set())
    missing = {month_of(day) for day in days} - known
    if not missing:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        for month in sorted(missing):
            cursor.execute("SELECT create_usage_partition(%s)", [month])
    if not connection.in_atomic_block:  # else it may yet be rolled back
        known |= missing


def ensure_partitions_ahead(*, today: date, months: int = 3) -> None:
    """Make the partitions of this month and the next ones."""
    ahead = [month_of(today)]
    for _ in range(months):
        ahead.append(next_month(ahead[-1]))
    ensure_partitions(ahead)


def partition_name(month: date) -> str:
    """The table that holds, or held, the events of a month."""
    return f"{PREFIX}{month:%Y_%m}"


def attached_months() -> list[date]:
    """The months that have a partition, in order."""
    with connection.cursor() as cursor:
        cursor.execute(ATTACHED)
        return [
            datetime.strptime(name, f"{PREFIX}%Y_%m").date()  # noqa: DTZ007
            for (name,) in cursor.fetchall()
        ]


def detach_partition(month: date, *, wait_ms: int) -> None:
    """Take the partition of an archived month out of the table; it stays beside it.

    The lock that this takes makes everybody wait, so it is waited for so long only.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT detach_usage_partition(%s, %s)", [month, wait_ms])
