"""Checks the files of archived months against their records and events."""

from collections.abc import Iterator
from dataclasses import dataclass

from billing.invoicing.verification.findings import Finding
from billing.metering.domain.parquet import (
    file_hash,
    read_events,
    rows_in,
    sums_hash,
    sums_of,
)
from billing.metering.domain.webhook_events import UsageMonthArchived
from billing.metering.models import ArchivedMonth
from billing.metering.queries.event_store import path_of
from billing.metering.services.archiving import archived_event
from billing.metering.services.partitions import attached_months
from billing.webhooks.models import OutboxEvent
from core.errors import Refusal


@dataclass(frozen=True, slots=True)
class Archives:
    """Findings about archived months, and the months whose files can be read or not."""

    findings: list[Finding]
    readable: list[ArchivedMonth]
    unreadable: list[ArchivedMonth]


def inspect_archives() -> Archives:
    """Check each file against its record, and each record against its event.

    A file that differs is still read, so that the events that differ are named. A
    month that was attached to the table again is read from there.
    """
    archives = Archives(list(_check_records()), [], [])
    attached = set(attached_months())
    for record in ArchivedMonth.objects.all():
        try:
            archives.findings.extend(_check_file(record))
        except Refusal as refusal:
            finding = Finding(refusal.code, f"usage of {record}", refusal.message)
            archives.findings.append(finding)
            unreadable = True
        else:
            unreadable = False
        if record.month not in attached:
            (archives.unreadable if unreadable else archives.readable).append(record)
    return archives


def _check_file(record: ArchivedMonth) -> Iterator[Finding]:
    """Raises ArchiveMissing, and ArchiveDiffers if the file has no readable events."""
    path = path_of(record)
    hashed = file_hash(path)
    sums = sums_of(path)
    recorded = (record.file_hash, record.file_size, record.rows, record.sums_hash)
    actual = (hashed, path.stat().st_size, rows_in(path), sums_hash(sums))
    if recorded != actual:
        for _ in read_events(path):
            pass  # raises now if the file cannot be read, so that later checks can
        message = f"the file {path.name} differs from the one that was archived"
        yield Finding("archive_differs", f"usage of {record}", message)


def _check_records() -> Iterator[Finding]:
    payloads = {
        event.payload.get("month"): event.payload
        for event in OutboxEvent.objects.filter(type=UsageMonthArchived.event_type)
    }
    for record in ArchivedMonth.objects.all():
        payload = archived_event(record).payload()
        if payloads.pop(record.month.isoformat(), None) != payload:
            subject = f"usage of {record}"
            yield Finding(
                "announced_otherwise", subject, "its event differs from the record"
            )
    for month in payloads:
        message = "an event announced its archive, but there is no record of it"
        yield Finding("fact_missing", f"usage of {month}", message)
