"""Imports of usage files: streamed, committed in chunks, every row accounted for.

A row is accepted, a duplicate, rejected, skipped (by reason), waiting for another leg, or
unread. Rejected and unread rows are kept with the reason (RejectedRow). Beside the rows
stand the answered seconds that the file says.
"""

import gc
import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from io import BufferedReader, RawIOBase
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, OuterRef, Subquery

from billing.metering.domain.formats.catalogue import (
    chunks_of,
    detect_format,
    source_of,
)
from billing.metering.domain.formats.rows import Row, buffered
from billing.metering.domain.outcomes import (
    ACCEPTED,
    DUPLICATE,
    REJECTED,
    SKIPPED,
    UNREAD,
    WAITING,
    RowOutcome,
    add_reasons,
    add_seconds,
)
from billing.metering.models import READING, ImportPart, RejectedRow, UsageImport
from billing.metering.queries.agency_files import rows_of_agency
from billing.metering.services.rows import count_rows
from core.errors import Refusal
from core.postgres.locks import lock_name
from core.queue.models import kept_leased
from seats.access.queries import reached_by
from seats.agencies.services import require_zone
from seats.models import Agency

CHUNK = 5_000
CHUNK_OBJECTS = 200_000  # more than a chunk of rows has
CHUNKS_A_TURN = 40
PART_BYTES = 1_048_576
LEASE = timedelta(seconds=15)  # renewed while the process that reads the file lives
MOST_ATTEMPTS = 5
LONGEST_ERROR = 500
INTERRUPTED = (
    "interrupted: Every try of the import was interrupted. Import the file again;"
    " no event is counted twice."
)
LONGEST_CELL = 4_000
# Claims are serialized: two at once could exceed the agency's share.
CLAIM_LOCK = "metering.imports"
State = UsageImport.State
log = logging.getLogger(__name__)


_LAST_TURN = (
    UsageImport.objects.filter(agency=OuterRef("agency"), last_turn_at__isnull=False)
    .order_by("-last_turn_at")
    .values("last_turn_at")[:1]
)


class FileTooLarge(Refusal):
    """The uploaded file is larger than allowed.

    Upload it in parts, or use the command `import_usage`.
    """

    code = "file_too_large"


class ImportTakenOver(Exception):
    """Another process continues this import."""


def start_import(
    file: BufferedReader,
    *,
    agency: Agency,
    file_name: str,
    actor: str,
    now: datetime,
    feed: str = "",
    zone: str = "",
) -> UsageImport:
    """Create the record of a file that the caller itself imports with import_rows.

    Without a `feed` the format is detected from the start of the file; without a `zone`
    that of the agency is used. Each call creates a record. Raises UnknownFormat,
    UnknownZone, BadEncoding.
    """
    record = _record_of(file, agency, file_name, feed, zone)
    record.actor, record.created_at = actor, now
    record.state, record.uploaded = State.RUNNING, False
    record.next_attempt_at, record.leased_until = now, now + LEASE
    record.save()
    return record


def upload_file(
    file: BufferedReader,
    *,
    agency: Agency,
    file_name: str,
    actor: str,
    now: datetime,
    feed: str = "",
    zone: str = "",
) -> UsageImport:
    """Store a file that a worker will import. Each call creates a record.

    Raises what start_import raises, and FileTooLarge.
    """
    record = _record_of(file, agency, file_name, feed, zone)
    if record.file_size > settings.BILLING["LARGEST_UPLOAD"]:
        limit = settings.BILLING["LARGEST_UPLOAD"] // PART_BYTES
        raise FileTooLarge(
            f"The file has {record.file_size} bytes; the limit for uploads is {limit}"
            " MiB. Upload it in parts, or use the command `import_usage`.",
            field="file",
        )
    record.actor, record.created_at = actor, now
    record.state, record.uploaded = State.WAITING, True
    record.next_attempt_at = now
    with transaction.atomic():
        record.save()
        for position, part in enumerate(iter(lambda: file.read(PART_BYTES), b"")):
            ImportPart.objects.create(
                usage_import=record, position=position, content=part
            )
    return record


def _record_of(
    file: BufferedReader, agency: Agency, file_name: str, feed: str, zone: str
) -> UsageImport:
    """An unsaved record with format, zone, size and hash; the file is at its start."""
    feed = detect_format(file, feed)
    if zone:
        require_zone(zone)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
    file.seek(0)
    return UsageImport(
        agency=agency,
        format=feed,
        zone=zone,
        file_name=file_name[:255],
        file_hash=digest,
        file_size=size,
    )


def import_rows(
    record: UsageImport, file: BufferedReader, *, now: datetime
) -> Iterator[list[RejectedRow]]:
    """Import a file chunk by chunk; yields the rejected rows of each committed chunk.

    Rows may name the agency of the import and its downline of today; other agencies are
    unknown. Starts after the rows that the record has counted. The record is up to date
    after each chunk and done after the last. Importing a file again counts nothing
    twice. Raises ImportTakenOver, and the refusals of the format for a whole file.
    """
    allowed_agency_ids = reached_by(record.agency_id, now=now)
    try:
        rows = rows_of_agency(
            file, record.format, agency=record.agency, zone=record.zone
        )
        rows = islice(rows, record.rows, None)
        with kept_leased([record], now=now, lease=LEASE), _collecting_seldom():
            for chunk in chunks_of(rows, most=CHUNK):
                yield _import_chunk(record, chunk, allowed_agency_ids, now)
                del chunk  # before the next one is read
    except Refusal as refusal:
        _finish(record, State.FAILED, now, f"{refusal.code}: {refusal.message}")
        raise
    _finish(record, State.DONE, now)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Let objects that live as long as their chunk not be looked through for cycles."""
    threshold = gc.get_threshold()
    gc.set_threshold(CHUNK_OBJECTS, *threshold[1:])
    try:
        yield
    finally:
        gc.set_threshold(*threshold)


def _import_chunk(
    record: UsageImport,
    chunk: Sequence[Row],
    allowed_agency_ids: Collection[int],
    now: datetime,
) -> list[RejectedRow]:
    with transaction.atomic():
        outcomes, corrected = count_rows(
            chunk,
            agency=record.agency,
            source=source_of(record.format, record.agency.code),
            has_former_ids=_has_former_ids(record),
            allowed_agency_ids=allowed_agency_ids,
            now=now,
        )
        rejected_rows = _rejected_rows(record, outcomes)
        RejectedRow.objects.bulk_create(rejected_rows)
        _count(record, outcomes, corrected)
    record.refresh_from_db()
    return rejected_rows


def _has_former_ids(record: UsageImport) -> bool:
    """Whether files of this kind were imported while rows had other ids."""
    imports = UsageImport.objects.filter(agency=record.agency_id, format=record.format)
    return imports.filter(reading__lt=READING).exists()


def _rejected_rows(
    record: UsageImport, outcomes: Iterable[RowOutcome]
) -> list[RejectedRow]:
    """The rejected rows of a chunk, unsaved."""
    return [
        RejectedRow(
            usage_import=record,
            row=outcome.row.number,
            code=outcome.result.code,
            field=outcome.result.field[:80],
            message=outcome.result.message[:500].replace("\0", "?"),
            cells=[
                cell[:LONGEST_CELL].replace("\0", "?") for cell in outcome.row.cells
            ],
        )
        for outcome in outcomes
        if outcome.result.status == "rejected"
    ]


def _count(
    record: UsageImport, outcomes: Sequence[RowOutcome], corrected: Decimal
) -> None:
    """Add a chunk to the counts. Raises ImportTakenOver if another process did."""
    counts = Counter(outcome.kind for outcome in outcomes)
    counted = UsageImport.objects.filter(
        pk=record.pk, state=State.RUNNING, rows=record.rows
    ).update(
        rows=F("rows") + len(outcomes),
        accepted=F("accepted") + counts[ACCEPTED],
        duplicate=F("duplicate") + counts[DUPLICATE],
        rejected=F("rejected") + counts[REJECTED],
        skipped=F("skipped") + counts[SKIPPED],
        waiting=F("waiting") + counts[WAITING],
        unread=F("unread") + counts[UNREAD],
        reasons=add_reasons(record.reasons, outcomes),
        seconds=add_seconds(record.seconds, outcomes, corrected),
        attempts=0,
    )
    if not counted:
        raise ImportTakenOver(str(record))


def _finish(
    record: UsageImport, state: UsageImport.State, now: datetime, error: str = ""
) -> None:
    with transaction.atomic():
        running = UsageImport.objects.filter(pk=record.pk, state=State.RUNNING)
        running.finish(state, finished_at=now, last_error=error[:LONGEST_ERROR])
        ImportPart.objects.filter(usage_import=record).delete()
    record.refresh_from_db()


def resume_next_import(*, now: datetime) -> int:
    """Continue one uploaded file for up to 40 chunks; returns 1, or 0 without one.

    Safe to repeat and to run in parallel. Imports of commands that were interrupted are
    marked as failed: the worker does not have their file.
    """
    _fail_abandoned(now)
    record = _claim(now)
    if record is None:
        return 0
    with buffered(PartsReader(record)) as file:
        try:
            for _ in islice(import_rows(record, file, now=now), CHUNKS_A_TURN):
                pass
        except (Refusal, ImportTakenOver) as reason:
            log.warning("Import of %s stopped: %s", record, reason)
        else:
            _release(record, now)
    return 1


def _claim(now: datetime) -> UsageImport | None:
    """Claim the next file that waits or whose worker is gone.

    It is one of the agency that has waited longest for a turn, and not of an agency
    that uses its share of files at once: large files of one do not delay the others.
    """
    with transaction.atomic():
        lock_name(CLAIM_LOCK)
        claimed = (
            UsageImport.objects.select_related("agency")
            .filter(uploaded=True)
            .exclude(agency__in=_busy_agencies(now))
            .annotate(agency_last_turn=Subquery(_LAST_TURN))
            .order_by(F("agency_last_turn").asc(nulls_first=True), "pk")
            .claim(now=now, lease=LEASE, limit=1)
        )
    return claimed[0] if claimed else None


def _busy_agencies(now: datetime) -> list[int]:
    """The agencies that use their share of files at once."""
    running = UsageImport.objects.filter(uploaded=True, leased_until__gt=now)
    counts = running.order_by().values("agency").annotate(files=Count("pk"))
    busy = counts.filter(files__gte=settings.BILLING["IMPORTS_AT_ONCE"])
    return list(busy.values_list("agency", flat=True))


def _fail_abandoned(now: datetime) -> None:
    """Fail files that were tried too often, and those that only a command could read."""
    for uploaded, most in ((True, MOST_ATTEMPTS), (False, 0)):
        with transaction.atomic():
            failed = UsageImport.objects.filter(uploaded=uploaded).park_exhausted(
                State.FAILED,
                now=now,
                most=most,
                finished_at=now,
                last_error=INTERRUPTED,
            )
            ImportPart.objects.filter(usage_import__in=failed).delete()


def _release(record: UsageImport, now: datetime) -> None:
    """Let another turn continue the file, unless it is done."""
    UsageImport.objects.held([record]).retry_later(now, error="")


def delete_old_rejected_rows(*, now: datetime) -> int:
    """Delete rejected rows that were kept long enough; returns how many. Repeatable."""
    before = now - settings.BILLING["REJECTED_ROWS_KEPT"]
    deleted, _ = RejectedRow.objects.filter(
        usage_import__finished_at__lt=before
    ).delete()
    return deleted


class PartsReader(RawIOBase):
    """Reads an uploaded file from its stored parts."""

    def __init__(self, record: UsageImport) -> None:
        self._parts = ImportPart.objects.filter(usage_import=record)
        self._position = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        if not self._rest:
            part = self._parts.filter(position=self._position)
            content = part.values_list("content", flat=True).first()
            self._rest = bytes(content or b"")
            self._position += 1
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
