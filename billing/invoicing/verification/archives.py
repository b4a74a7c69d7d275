"""The files of archived months against their records, and those as announced."""

from collections.abc import Iterator
from dataclasses import dataclass

from billing.invoicing.verification.findings import Finding
from billing.metering.archiving import ARCHIVED, announced
from billing.metering.models import ArchivedMonth
from billing.metering.parquet import file_hash, read_events, rows_in, sums_hash, sums_of
from billing.metering.partitions import attached_months
from billing.metering.reading import path_of
from billing.webhooks.models import OutboxEvent
from seats.errors import Refusal


@dataclass(frozen=True, slots=True)
class Archives:
    """What there is of archived months: what was found, and what can be read."""

    findings: list[Finding]
    readable: list[ArchivedMonth]
    unreadable: list[ArchivedMonth]


def inspect_archives() -> Archives:
    """Each file as its record says it is, each record as it was announced.

    A file that differs is still read, so that the events that differ are named. A
    month that was attached to the table again is read there.
    """
    archives = Archives(list(_check_records()), [], [])
    attached = set(attached_months())
    for record in ArchivedMonth.objects.all():
        try:
            archives.findings.extend(_check_file(record))
        except Refusal as refusal:
            found = Finding(refusal.code, f"usage of {record}", refusal.message)
            archives.findings.append(found)
            unreadable = True
        else:
            unreadable = False
        if record.month not in attached:
            (archives.unreadable if unreadable else archives.readable).append(record)
    return archives


def _check_file(record: ArchivedMonth) -> Iterator[Finding]:
    """Raises ArchiveMissing, and ArchiveDiffers if it is no file of events."""
    path = path_of(record)
    hashed = file_hash(path)
    sums = sums_of(path)
    said = (record.file_hash, record.file_size, record.rows, record.sums_hash)
    found = (hashed, path.stat().st_size, rows_in(path), sums_hash(sums))
    if said != found:
        for _ in read_events(path):
            pass  # whoever reads it later can rely on that it can be read
        message = f"{path.name} is not the file that was archived"
        yield Finding("archive_differs", f"usage of {record}", message)


def _check_records() -> Iterator[Finding]:
    told = {
        event.payload.get("month"): event.payload
        for event in OutboxEvent.objects.filter(type=ARCHIVED)
    }
    for record in ArchivedMonth.objects.all():
        if told.pop(record.month.isoformat(), None) != announced(record):
            subject = f"usage of {record}"
            yield Finding("announced_otherwise", subject, "its event differs")
    for month in told:
        yield Finding("fact_missing", f"usage of {month}", "was archived")
