"""The monthly partitions of usage events."""

from collections.abc import Iterable
from datetime import date

from django.db import connection, transaction

from seats.periods import month_of, next_month

_known: dict[str, set[date]] = {}  # by database, months that are there for good


def ensure_partitions(days: Iterable[date]) -> None:
    """Make the partitions that these dates need, in a transaction of their own.

    Not within the one that writes: making one waits for every writer.
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
