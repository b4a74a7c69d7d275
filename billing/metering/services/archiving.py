"""Moves the events of old months from the database to Parquet files.

A month is archived once no event can be added to it and all of it is billed.
"""

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

from billing.metering.domain.parquet import (
    Sums,
    file_hash,
    rows_in,
    sums_hash,
    sums_of,
    write_events,
)
from billing.metering.domain.webhook_events import UsageMonthArchived
from billing.metering.models import ArchivedMonth
from billing.metering.queries.event_store import (
    live_batches,
    sums_of_days,
    sums_of_events,
)
from billing.metering.services.partitions import attached_months, detach_partition
from billing.metering.signals import archive_step
from billing.webhooks.services.outbox import PLATFORM, publish
from core.errors import Refusal
from core.periods import DAY, month_of, next_month, previous_month
from seats.models import Agency

DETACH_TRIES = 5
OnRows = Callable[[int], object]
log = logging.getLogger(__name__)

UNBILLED = """
    SELECT agency.code FROM seats_agency AS agency
    LEFT JOIN seats_cutoffcounter AS counter ON counter.agency_id = agency.id
    WHERE EXISTS (
            SELECT FROM billing_usageday AS day WHERE day.agency_id = agency.id
            AND day.used_on >= %(month)s AND day.used_on < %(ends_on)s)
      AND (coalesce(counter.closed_through < %(month)s, true)
           OR NOT EXISTS (SELECT FROM billing_watermark AS mark
                          WHERE mark.agency_id = agency.id)
           OR EXISTS (SELECT FROM billing_watermark AS mark
                      WHERE mark.agency_id = agency.id
                        AND mark.billed_through < %(month)s)
           OR agency.id IN (SELECT agencies_with_pending_usage(%(month)s)))
    ORDER BY agency.code
"""


class MonthNotArchivable(Refusal):
    """The month is too recent, has no events, or is not billed in full.

    Choose an older month, or bill the month first.
    """

    code = "month_not_archivable"


class AlreadyArchived(Refusal):
    """The month is already archived.

    No action is needed.
    """

    code = "already_archived"


class SumsDiffer(Refusal):
    """The archive file and the database sum to different usage.

    Run `verify`, and resolve what it reports before you archive the month.
    """

    code = "sums_differ"


class TableInUse(Refusal):
    """The month was not archived because the table of events was in use.

    Try again later.
    """

    code = "table_in_use"


class ArchivingElsewhere(Refusal):
    """Another process is archiving.

    Try again when it is done.
    """

    code = "archiving_elsewhere"


@dataclass(frozen=True, slots=True)
class ArchiveOutcome:
    """The result for one month: its record, or the refusal."""

    month: date
    archived: ArchivedMonth | None
    refusal: Refusal | None = None


def months_to_archive(*, now: datetime) -> list[date]:
    """The months in the table that are old enough to be archived, in order."""
    return [month for month in attached_months() if month < _first_kept(now)]


def archive_due(*, actor: str, now: datetime) -> list[ArchiveOutcome]:
    """Archive every month that is old enough; a refusal does not stop the others.

    Repeating is safe.
    """
    outcomes = []
    for month in months_to_archive(now=now):
        try:
            record = archive_month(month=month, actor=actor, now=now)
        except Refusal as refusal:
            log.warning(
                "Month %s was not archived: %s: %s",
                f"{month:%Y-%m}", refusal.code, refusal.message,
            )  # fmt: skip
            outcomes.append(ArchiveOutcome(month, None, refusal))
        else:
            outcomes.append(ArchiveOutcome(month, record))
    return outcomes


def require_archivable(*, month: date, now: datetime) -> None:
    """Raises AlreadyArchived, or MonthNotArchivable with the reason.

    A month can be archived if it is older than the months kept in the database, no late
    event can arrive for it, and every agency with usage in it is billed in full.
    """
    if ArchivedMonth.objects.filter(month=month).exists():
        raise AlreadyArchived(f"{month:%Y-%m} is already archived.", field="month")
    if month not in attached_months():
        raise MonthNotArchivable(
            f"{month:%Y-%m} has no events in the database.", field="month"
        )
    if month >= _first_kept(now):
        raise MonthNotArchivable(
            f"{month:%Y-%m} is too recent. Only months before"
            f" {_first_kept(now):%Y-%m} can be archived.",
            field="month",
        )
    with connection.cursor() as cursor:
        cursor.execute(UNBILLED, {"month": month, "ends_on": next_month(month)})
        codes = [code for (code,) in cursor.fetchall()]
    if codes:
        raise MonthNotArchivable(
            f"{month:%Y-%m} is not billed in full for {', '.join(codes[:5])}"
            f"{f' and {len(codes) - 5} more' if len(codes) > 5 else ''}. Bill the month"
            " first.",
            field="month",
        )


def _first_kept(now: datetime) -> date:
    """The first month to keep, because of its age or for late events."""
    today = (now - DAY).date()  # the earliest local date of any agency
    first = month_of(today)
    for _ in range(settings.BILLING["EVENTS_KEPT_MONTHS"]):
        first = previous_month(first)
    latest = month_of(today - timedelta(days=settings.BILLING["LATE_DAYS"]))
    return min(first, latest)


def archive_month(
    *, month: date, actor: str, now: datetime, on_rows: OnRows | None = None
) -> ArchivedMonth:
    """Write a month's events to a file, check the file, and detach the partition.

    `on_rows` is called with the number of rows written so far. It can be killed at any
    point and run again: only the last commit takes effect, and the same rows make the
    same file. Raises what require_archivable raises, ArchivingElsewhere, SumsDiffer,
    ArchiveDiffers, TableInUse.
    """
    with _archiving_lock():
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
def _archiving_lock() -> Iterator[None]:
    """Allow one archiving at a time. A session lock, because it spans transactions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('billing_archiving', 0))"
        )
        if not cursor.fetchone()[0]:
            raise ArchivingElsewhere(
                "Another process is archiving at the moment. Try again when it is done."
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_unlock(hashtextextended('billing_archiving', 0))"
            )


def _export(month: date, on_rows: OnRows | None) -> Path:
    """Write the file, and give it its final name once it is complete and synced.

    The name contains a hash of the content, so a file is never replaced by a different
    one.
    """
    folder = Path(settings.BILLING["ARCHIVE_ROOT"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f".usage-{month:%Y-%m}.partial"
    with open(partial, "wb", opener=_open_private) as file, transaction.atomic():
        batches = live_batches(month=month)
        write_events(file, _reporting_rows(batches, on_rows))
    path = folder / f"usage-{month:%Y-%m}-{file_hash(partial)[:16]}.parquet"
    partial.rename(path)
    _sync_folder(folder)
    return path


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    """Make a new file name survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reporting_rows(
    batches: Iterator[Sequence[Sequence[Any]]], on_rows: OnRows | None
) -> Iterator[Sequence[Sequence[Any]]]:
    rows = 0
    for batch in batches:
        yield batch
        rows += len(batch)
        if on_rows:
            on_rows(rows)


def _require_equal(file_sums: Sums, other_sums: Sums, place: str) -> None:
    for key in sorted(file_sums.keys() | other_sums.keys()):
        in_file = file_sums.get(key, (0, 0, 0))
        in_other = other_sums.get(key, (0, 0, 0))
        if in_file != in_other:
            agency = Agency.objects.filter(pk=key[0]).first() or key[0]
            raise SumsDiffer(
                f"{agency}, meter {key[1]}, cut-off {key[2]}: the file has"
                f" {in_file[0]} events, raw {in_file[1]}, billable {in_file[2]}; {place}"
                f" {in_other[0]}, {in_other[1]}, {in_other[2]}. Run `verify` before the"
                " month is archived."
            )


def _record_and_detach(record: ArchivedMonth, path: Path) -> None:
    """Record the month and detach its partition in one commit.

    Tried again after a pause while the table is in use. Raises TableInUse.
    """
    wait = settings.BILLING["ARCHIVE_LOCK_WAIT"]
    for attempt in range(DETACH_TRIES):
        if attempt:
            time.sleep(wait.total_seconds())
        try:
            with transaction.atomic(durable=True):
                record.save(force_insert=True)
                record.refresh_from_db()
                publish(archived_event(record), now=record.detached_at)
                archive_step.send(None, step="recorded", path=path)
                detach_partition(record.month, wait_ms=int(wait.total_seconds() * 1000))
                archive_step.send(None, step="detached", path=path)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            record.detached_at = Now()
        else:
            return
    raise TableInUse(
        f"{record.month:%Y-%m} was not archived, because the table of events was in use"
        f" {DETACH_TRIES} times. Try again later."
    )


def archived_event(record: ArchivedMonth) -> UsageMonthArchived:
    """The event that a month was archived: the whole record."""
    return UsageMonthArchived(
        agency_id=PLATFORM,
        subject=f"usage:{record}",
        month=record.month,
        rows=record.rows,
        file_name=record.file_name,
        file_size=record.file_size,
        file_hash=record.file_hash,
        sums_hash=record.sums_hash,
        archived_at=record.archived_at,
        detached_at=record.detached_at,
        actor=record.actor,
    )
