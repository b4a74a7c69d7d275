"""Taking in whole files: streamed, committed by chunk, a verdict for every row."""

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from io import BufferedReader, RawIOBase
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Now

from billing.heartbeat import renewed
from billing.metering.events import IngestResult
from billing.metering.formats.catalogue import chunks_of, feed_of, rows_of
from billing.metering.formats.rows import Row, buffered
from billing.metering.models import ImportPart, RefusedRow, UsageImport
from billing.metering.services import ingest_events
from seats.access import reached_by
from seats.agencies.queries import zones_of
from seats.agencies.services import require_zone
from seats.errors import Refusal
from seats.locks import lock_name
from seats.models import Agency

CHUNK = 5_000
CHUNKS_A_TURN = 40
PART_BYTES = 1_048_576
LEASE = timedelta(seconds=15)  # renewed while whoever reads the file lives
MOST_ATTEMPTS = 5
LONGEST_CELL = 4_000
CLAIMING = "metering.imports"  # or two who count at the same time take too many
State = UsageImport.State
log = logging.getLogger(__name__)


_LAST_TURN = (
    UsageImport.objects.filter(agency=OuterRef("agency"), last_turn_at__isnull=False)
    .order_by("-last_turn_at")
    .values("last_turn_at")[:1]
)


class FileTooLarge(Refusal):
    code = "file_too_large"


class ImportTakenOver(Exception):
    """Somebody else goes on with this import."""


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
    """A record of a file that the caller takes in itself, from its beginning.

    Without a feed it is told by the beginning of the file; without a zone the
    agency's own holds. Raises UnknownFormat, UnknownZone, BadEncoding.
    """
    record = _record_of(file, agency, file_name, feed, zone)
    record.actor, record.created_at = actor, now
    record.state, record.uploaded = State.RUNNING, False
    record.lease_until = now + LEASE
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
    """Keep a file for a worker to take in. Raises what start_import does, and
    FileTooLarge.
    """
    record = _record_of(file, agency, file_name, feed, zone)
    if record.file_size > settings.BILLING["LARGEST_UPLOAD"]:
        most = settings.BILLING["LARGEST_UPLOAD"] // PART_BYTES
        raise FileTooLarge(f"At most {most} MiB; use import_usage.", field="file")
    record.actor, record.created_at = actor, now
    record.state, record.uploaded = State.WAITING, True
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
    """What can be said of a file before reading its rows; it is at its start again."""
    feed = feed_of(file, feed)
    zone = zone or zones_of([agency.pk])[agency.pk][-1].zone
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
) -> Iterator[list[RefusedRow]]:
    """Ingest chunk by chunk, each in a commit of its own; what was refused in each.

    Rows may name the import's agency and its downline of today; others are unknown.
    Goes on after the rows that the record counts already. The record is up to date
    after each chunk, and done after the last. Importing a file again changes nothing.
    Raises ImportTakenOver, and what the format refuses of the file as a whole.
    """
    code = record.agency.code
    within = reached_by(record.agency_id, now=now)
    try:
        rows = rows_of(file, record.format, agency=code, zone=record.zone)
        rows = islice(rows, record.rows, None)
        with renewed(partial(_renew, record.pk), lease=LEASE):
            for chunk in chunks_of(rows, most=CHUNK):
                yield _take_in_chunk(record, chunk, within, now)
    except Refusal as refusal:
        _finish(record, State.FAILED, now, f"{refusal.code}: {refusal.message}")
        raise
    _finish(record, State.DONE, now)


def _renew(record_id: int, _: timedelta) -> None:
    """Move the end of the lease, unless a chunk that is being counted does."""
    with transaction.atomic():
        rows = UsageImport.objects.select_for_update(skip_locked=True)
        if rows.filter(pk=record_id, state=State.RUNNING).exists():
            UsageImport.objects.filter(pk=record_id).update(lease_until=Now() + LEASE)


def _take_in_chunk(
    record: UsageImport, chunk: Sequence[Row], within: Collection[int], now: datetime
) -> list[RefusedRow]:
    with transaction.atomic():
        told = [row for row in chunk if row.event]
        verdicts = ingest_events(
            [row.event for row in told if row.event],
            owner=record.agency_id,
            now=now,
            within=within,
        )
        refused = _refused_rows(
            record, chunk, dict(zip(map(id, told), verdicts, strict=False))
        )
        RefusedRow.objects.bulk_create(refused)
        _count(record, chunk, verdicts, len(refused))
    record.refresh_from_db()
    return refused


def _refused_rows(
    record: UsageImport, chunk: Iterable[Row], verdicts: dict[int, IngestResult]
) -> list[RefusedRow]:
    found = []
    for row in chunk:
        verdict = row.verdict or verdicts.get(id(row))
        if verdict and verdict.status == "rejected":
            found.append(
                RefusedRow(
                    usage_import=record,
                    row=row.number,
                    code=verdict.code,
                    field=verdict.field[:80],
                    message=verdict.message[:500].replace("\0", "?"),
                    cells=[
                        cell[:LONGEST_CELL].replace("\0", "?") for cell in row.cells
                    ],
                )
            )
    return found


def _count(
    record: UsageImport,
    chunk: Sequence[Row],
    verdicts: Sequence[IngestResult],
    refused: int,
) -> None:
    """Add a chunk to the counts, unless somebody else did."""
    statuses = [verdict.status for verdict in verdicts]
    counted = UsageImport.objects.filter(
        pk=record.pk, state=State.RUNNING, rows=record.rows
    ).update(
        rows=F("rows") + len(chunk),
        accepted=F("accepted") + statuses.count("accepted"),
        duplicate=F("duplicate") + statuses.count("duplicate"),
        refused=F("refused") + refused,
        left_out=F("left_out") + sum(1 for row in chunk if row.left_out),
        lease_until=Now() + LEASE,
        attempts=0,
    )
    if not counted:
        raise ImportTakenOver(str(record))


def _finish(
    record: UsageImport, state: UsageImport.State, now: datetime, error: str = ""
) -> None:
    with transaction.atomic():
        UsageImport.objects.filter(pk=record.pk, state=State.RUNNING).update(
            state=state, finished_at=now, lease_until=None, error=error[:500]
        )
        ImportPart.objects.filter(usage_import=record).delete()
    record.refresh_from_db()


def resume_next_import(*, now: datetime) -> int:
    """Go on with one uploaded file for a while; how many were worked on.

    Safe to run anywhere, any number of times at once. Commands that were cut off are
    noted as failed: their file is not ours to read.
    """
    _give_up_abandoned(now)
    record = _claim()
    if record is None:
        return 0
    with buffered(PartsReader(record)) as file:
        try:
            for _ in islice(import_rows(record, file, now=now), CHUNKS_A_TURN):
                pass
        except (Refusal, ImportTakenOver) as reason:
            log.warning("import of %s: %s", record, reason)
        else:
            _hand_back(record)
    return 1


def _claim() -> UsageImport | None:
    """The next file that waits or whose reader is gone; tried so often, no more.

    Of the agency that waited longest for a turn, and not of one of which as many files
    are being read as it may have at once: large files of one do not stop those of others.
    """
    with transaction.atomic():
        lock_name(CLAIMING)
        record = (
            UsageImport.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("agency")
            .filter(_is_due(), uploaded=True)
            .exclude(agency__in=_busy_agencies())
            .annotate(agencys_turn=Subquery(_LAST_TURN))
            .order_by(F("agencys_turn").asc(nulls_first=True), "pk")
            .first()
        )
        if record is not None:
            record.state = State.RUNNING
            record.attempts += 1
            record.lease_until, record.last_turn_at = Now() + LEASE, Now()
            record.save(
                update_fields=["state", "attempts", "lease_until", "last_turn_at"]
            )
    return record


def _busy_agencies() -> list[int]:
    """Those of which as many files are being read as they may have at once."""
    read = UsageImport.objects.filter(
        state=State.RUNNING, uploaded=True, lease_until__gte=Now()
    )
    counts = read.order_by().values("agency").annotate(files=Count("pk"))
    busy = counts.filter(files__gte=settings.BILLING["IMPORTS_AT_ONCE"])
    return list(busy.values_list("agency", flat=True))


def _is_due() -> Q:
    return Q(state=State.WAITING) | Q(state=State.RUNNING, lease_until__lt=Now())


def _give_up_abandoned(now: datetime) -> None:
    abandoned = UsageImport.objects.filter(_is_due()).filter(
        Q(uploaded=False) | Q(attempts__gte=MOST_ATTEMPTS)
    )
    for record in abandoned:
        UsageImport.objects.filter(pk=record.pk).filter(_is_due()).update(
            state=State.FAILED,
            finished_at=now,
            lease_until=None,
            error="interrupted: import it again, nothing is counted twice.",
        )
        ImportPart.objects.filter(usage_import=record).delete()


def _hand_back(record: UsageImport) -> None:
    """Let the next turn go on, if the file is not at its end."""
    UsageImport.objects.filter(pk=record.pk, state=State.RUNNING).update(
        state=State.WAITING, lease_until=None
    )


def delete_old_rejected_rows(*, now: datetime) -> int:
    """Delete refused rows after the days they are kept; how many."""
    before = now - settings.BILLING["REFUSED_ROWS_KEPT"]
    deleted, _ = RefusedRow.objects.filter(
        usage_import__finished_at__lt=before
    ).delete()
    return deleted


class PartsReader(RawIOBase):
    """An uploaded file, read part by part."""

    def __init__(self, record: UsageImport) -> None:
        self._parts = ImportPart.objects.filter(usage_import=record)
        self._position = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        if not self._rest:
            found = self._parts.filter(position=self._position)
            content = found.values_list("content", flat=True).first()
            self._rest = bytes(content or b"")
            self._position += 1
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
