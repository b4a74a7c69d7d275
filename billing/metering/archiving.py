"""Months of events that nobody can add to any more leave the database for files."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from psycopg.errors import LockNotAvailable

from billing.metering.models import ArchivedMonth
from billing.metering.parquet import (
    Sums,
    file_hash,
    rows_in,
    sums_hash,
    sums_of,
    write_events,
)
from billing.metering.partitions import attached_months, detach_partition
from billing.metering.reading import live_batches, sums_of_days, sums_of_events
from billing.metering.signals import archive_step
from billing.webhooks.services import PLATFORM, NewEvent, publish
from seats.errors import Refusal
from seats.models import Agency
from seats.periods import DAY, month_of, next_month, previous_month

DETACH_TRIES = 5
ARCHIVED = "usage_month.archived"
OnRows = Callable[[int], object]
log = logging.getLogger(__name__)

UNBILLED = """
    SELECT agency.code FROM seats_agency AS agency
    LEFT JOIN seats_books AS books ON books.agency_id = agency.id
    WHERE EXISTS (
            SELECT FROM billing_usageday AS day WHERE day.agency_id = agency.id
            AND day.used_on >= %(month)s AND day.used_on < %(ends_on)s)
      AND (coalesce(books.closed_through < %(month)s, true)
           OR NOT EXISTS (SELECT FROM billing_watermark AS mark
                          WHERE mark.agency_id = agency.id)
           OR EXISTS (SELECT FROM billing_watermark AS mark
                      WHERE mark.agency_id = agency.id
                        AND mark.billed_through < %(month)s)
           OR agency.id IN (SELECT agencies_with_pending_usage(%(month)s)))
    ORDER BY agency.code
"""


class MonthNotArchivable(Refusal):
    code = "month_not_archivable"


class AlreadyArchived(Refusal):
    code = "already_archived"


class SumsDiffer(Refusal):
    code = "sums_differ"


class TableInUse(Refusal):
    code = "table_in_use"


class ArchivingElsewhere(Refusal):
    code = "archiving_elsewhere"


@dataclass(frozen=True, slots=True)
class ArchiveOutcome:
    """What became of a month: archived, or why not."""

    month: date
    archived: ArchivedMonth | None
    refusal: Refusal | None = None


def months_to_archive(*, now: datetime) -> list[date]:
    """The months in the table that are older than what is kept there, in order."""
    return [month for month in attached_months() if month < _first_kept(now)]


def archive_due(*, actor: str, now: datetime) -> list[ArchiveOutcome]:
    """Archive every month that is old enough; one that cannot be costs only itself."""
    outcomes = []
    for month in months_to_archive(now=now):
        try:
            record = archive_month(month=month, actor=actor, now=now)
        except Refusal as refusal:
            log.warning("archiving %s: %s: %s", month, refusal.code, refusal.message)
            outcomes.append(ArchiveOutcome(month, None, refusal))
        else:
            outcomes.append(ArchiveOutcome(month, record))
    return outcomes


def require_archivable(*, month: date, now: datetime) -> None:
    """Raises AlreadyArchived, or MonthNotArchivable with the reason.

    A month can leave when it is older than what is kept, no late fact can come, and
    every agency with usage in it is billed for all of it.
    """
    if ArchivedMonth.objects.filter(month=month).exists():
        raise AlreadyArchived(f"{month:%Y-%m} is archived.", field="month")
    if month not in attached_months():
        raise MonthNotArchivable(f"{month:%Y-%m} has no events here.", field="month")
    if month >= _first_kept(now):
        raise MonthNotArchivable(
            f"{month:%Y-%m} is kept; months before {_first_kept(now):%Y-%m} may leave.",
            field="month",
        )
    with connection.cursor() as cursor:
        told = {"month": month, "ends_on": next_month(month)}
        cursor.execute(UNBILLED, told)
        codes = [code for (code,) in cursor.fetchall()]
    if codes:
        raise MonthNotArchivable(
            f"{month:%Y-%m} is not billed in full for {', '.join(codes[:5])}"
            f"{f' and {len(codes) - 5} more' if len(codes) > 5 else ''}.",
            field="month",
        )


def _first_kept(now: datetime) -> date:
    """The first month that stays, for its age or because a late fact may come."""
    today = (now - DAY).date()  # or later, wherever an agency is
    first = month_of(today)
    for _ in range(settings.BILLING["EVENTS_KEPT_MONTHS"]):
        first = previous_month(first)
    latest = month_of(today - timedelta(days=settings.BILLING["LATE_DAYS"]))
    return min(first, latest)


def archive_month(
    *, month: date, actor: str, now: datetime, on_rows: OnRows | None = None
) -> ArchivedMonth:
    """Write a month's events to a file, read it back, and detach the partition.

    `on_rows` hears how many rows are written. Dying anywhere and running again is
    harmless: nothing counts before the last commit, and the same rows make the same
    file. Raises what require_archivable does, ArchivingElsewhere, SumsDiffer,
    ArchiveDiffers, TableInUse.
    """
    with _alone():
        require_archivable(month=month, now=now)
        path = _export(month, on_rows)
        archive_step.send(None, step="written", path=path)
        sums = sums_of(path)
        record = ArchivedMonth(
            month=month,
            file_name=path.name,
            rows=rows_in(path),
            file_size=path.stat().st_size,
            file_hash=file_hash(path),
            sums_hash=sums_hash(sums),
            archived_at=now,
            detached_at=Now(),
            actor=actor,
        )
        _require_equal(sums, sums_of_events(month), "the table")
        _require_equal(sums, sums_of_days(month), "the usage days")
        archive_step.send(None, step="checked", path=path)
        _record_and_detach(record, path)
        archive_step.send(None, step="archived", path=path)
    return record


@contextmanager
def _alone() -> Iterator[None]:
    """One archiving at a time; a lock of the session, as it spans transactions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('billing_archiving', 0))"
        )
        if not cursor.fetchone()[0]:
            raise ArchivingElsewhere("Somebody else is archiving.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_unlock(hashtextextended('billing_archiving', 0))"
            )


def _export(month: date, on_rows: OnRows | None) -> Path:
    """Write the file; it has its name once it is whole and on the disk.

    The name says the content, so a file that somebody relies on is never replaced by
    another one.
    """
    folder = Path(settings.BILLING["ARCHIVE_ROOT"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f".usage-{month:%Y-%m}.partial"
    with open(partial, "wb", opener=_private) as file, transaction.atomic():
        batches = live_batches(month=month)
        write_events(file, _counted(batches, on_rows))
    path = folder / f"usage-{month:%Y-%m}-{file_hash(partial)[:16]}.parquet"
    partial.rename(path)
    _sync_folder(folder)
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    """So that the name, too, is there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _counted(
    batches: Iterator[Sequence[Sequence[Any]]], on_rows: OnRows | None
) -> Iterator[Sequence[Sequence[Any]]]:
    rows = 0
    for batch in batches:
        yield batch
        rows += len(batch)
        if on_rows:
            on_rows(rows)


def _require_equal(file: Sums, other: Sums, where: str) -> None:
    for key in sorted(file.keys() | other.keys()):
        here, there = file.get(key, (0, 0, 0)), other.get(key, (0, 0, 0))
        if here != there:
            agency = Agency.objects.filter(pk=key[0]).first() or key[0]
            raise SumsDiffer(
                f"{agency}, meter {key[1]}, cut-off {key[2]}: the file has"
                f" {here[0]} events, raw {here[1]}, billable {here[2]}; {where}"
                f" {there[0]}, {there[1]}, {there[2]}."
            )


def _record_and_detach(record: ArchivedMonth, path: Path) -> None:
    """Both in one commit; if the table is in use, again after a pause."""
    wait = settings.BILLING["ARCHIVE_LOCK_WAIT"]
    for tried in range(DETACH_TRIES):
        if tried:
            time.sleep(wait.total_seconds())
        try:
            with transaction.atomic(durable=True):
                record.save(force_insert=True)
                record.refresh_from_db()
                publish([_announcement(record)], now=record.detached_at)
                archive_step.send(None, step="recorded", path=path)
                detach_partition(record.month, wait_ms=int(wait.total_seconds() * 1000))
                archive_step.send(None, step="detached", path=path)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            record.detached_at = Now()
        else:
            return
    raise TableInUse("The table of events is in use; the month leaves another time.")


def _announcement(record: ArchivedMonth) -> NewEvent:
    return NewEvent(PLATFORM, ARCHIVED, f"usage:{record}", archive_payload(record))


def archive_payload(record: ArchivedMonth) -> dict[str, Any]:
    """The whole record, as the outbox keeps it."""
    return {
        "month": record.month.isoformat(),
        "file_name": record.file_name,
        "rows": record.rows,
        "file_size": record.file_size,
        "file_hash": record.file_hash,
        "sums_hash": record.sums_hash,
        "archived_at": record.archived_at.isoformat(),
        "detached_at": record.detached_at.isoformat(),
        "actor": record.actor,
    }
