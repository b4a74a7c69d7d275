"""The monthly partitions of usage events: created ahead, listed and detached."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db import connection, transaction

from core.periods import month_of, next_month

ATTACHED = """
    SELECT part.relname FROM pg_inherits
    JOIN pg_class AS part ON part.oid = inhrelid
    WHERE inhparent = 'billing_usageevent'::regclass ORDER BY 1
"""
PREFIX = "billing_usageevent_"
_created_months: dict[str, set[date]] = {}  # by database name; saves queries


def ensure_partitions(days: Iterable[date]) -> None:
    """Create the partitions for these dates, in a transaction of its own. Repeatable.

    It blocks no reader or writer. The database refuses a month that is archived, with
    an IntegrityError.
    """
    database = str(connection.settings_dict["NAME"])
    created = _created_months.setdefault(database, set())
    missing = {month_of(day) for day in days} - created
    if not missing:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        for month in sorted(missing):
            cursor.execute("SELECT create_usage_partition(%s)", [month])
    if not connection.in_atomic_block:  # otherwise it may still be rolled back
        created |= missing


def ensure_partitions_ahead(*, today: date, months: int = 3) -> None:
    """Create the partitions of this month and of the next `months`. Repeatable."""
    ahead = [month_of(today)]
    for _ in range(months):
        ahead.append(next_month(ahead[-1]))
    ensure_partitions(ahead)


def partition_name(month: date) -> str:
    """The name of the partition of a month, attached or detached."""
    return f"{PREFIX}{month:%Y_%m}"


def attached_months() -> list[date]:
    """The months with an attached partition, in order."""
    with connection.cursor() as cursor:
        cursor.execute(ATTACHED)
        return [
            datetime.strptime(name, f"{PREFIX}%Y_%m").date()  # noqa: DTZ007
            for (name,) in cursor.fetchall()
        ]


def detach_partition(month: date, *, wait_ms: int) -> None:
    """Detach the partition of an archived month; it stays as a table of its own.

    While the lock is awaited all other queries queue behind it, so the wait is limited
    to `wait_ms`; then PostgreSQL raises LockNotAvailable.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT detach_usage_partition(%s, %s)", [month, wait_ms])
