"""Reads events wherever they are: in the table or, for archived months, in files.

While a month is being archived no event is missed or read twice: the table is read
first, the list of files after it.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from billing.metering.domain.events import CountedEvent, EventRow
from billing.metering.domain.parquet import (
    ALL_EVENTS,
    ROWS_A_GROUP,
    SCHEMA,
    EventSelection,
    Sums,
    event_row,
    read_events,
)
from billing.metering.models import ArchivedMonth
from core.errors import Refusal
from core.periods import DateRange, month_of, next_month
from seats.models import Agent

CHUNK = 2_000  # rows fetched at once from a server-side cursor
COLUMNS = ", ".join(
    "properties::text" if name == "properties" else name for name in SCHEMA.names
)
EVENT_SUMS = """
    SELECT agency_id, meter_id, cutoff,
           count(*) FILTER (WHERE reverses IS NULL)
               - count(*) FILTER (WHERE reverses IS NOT NULL),
           sum(raw), sum(billable)
    FROM billing_usageevent WHERE used_on >= %s AND used_on < %s GROUP BY 1, 2, 3
"""
DAY_SUMS = """
    SELECT agency_id, meter_id, cutoff, sum(events)::bigint, sum(raw), sum(billable)
    FROM billing_usageday WHERE used_on >= %s AND used_on < %s GROUP BY 1, 2, 3
"""


class EventsArchived(Refusal):
    """Events of these dates are archived and cannot be listed.

    Request later dates, or the calls behind a line of an invoice.
    """

    code = "month_archived"


def live_dates(dates: DateRange) -> DateRange:
    """The dates limited to those whose events are in the database.

    Only a range that starts at date.min is shortened. Raises EventsArchived if events of
    another range are in files.
    """
    newest = ArchivedMonth.objects.order_by("month").last()
    if newest is None:
        return dates
    first = next_month(newest.month)
    if dates.start == date.min:
        return DateRange(first, dates.end)
    if dates.start < first:
        raise EventsArchived(
            f"Events before {first} are archived and cannot be listed. Request dates"
            f" from {first} on, or the calls behind a line of an invoice.",
            field="from",
        )
    return dates


def counted_events(
    *,
    agency_id: int,
    month: date,
    meter_id: int,
    cutoff: int,
    agent_id: int | None = None,
    used_on: date | None = None,
) -> Iterator[CountedEvent]:
    """The events of an agency, month and meter up to a cut-off, ordered by time.

    With `agent_id` or `used_on`, those of the agent or the local date. Quantities are in
    raw units; reversals are negative. Memory is constant. Raises ArchiveMissing,
    ArchiveDiffers.
    """
    agents = dict(
        Agent.objects.filter(agency=agency_id).values_list("pk", "external_id")
    )
    for row in events_of(
        agency_id=agency_id,
        month=month,
        meter_id=meter_id,
        cutoff=cutoff,
        agent_id=agent_id,
        used_on=used_on,
    ):
        started = row.properties.get("started_at")
        yield CountedEvent(
            row.external_id,
            row.source,
            agents[row.agent_id] if row.agent_id else None,
            row.breakdown,
            row.occurred_at,
            started if isinstance(started, str) else None,
            row.raw,
            row.billable,
            row.cutoff,
        )


def events_of(
    *,
    agency_id: int | None = None,
    month: date | None = None,
    meter_id: int | None = None,
    cutoff: int | None = None,
    agent_id: int | None = None,
    used_on: date | None = None,
) -> Iterator[EventRow]:
    """The events of a selection: first from the table, then file by file.

    Events of one `month` are ordered by agency, meter, time and id, others are not.
    Memory is constant. Raises ArchiveMissing, ArchiveDiffers.
    """
    selection = EventSelection(agency_id, meter_id, cutoff, agent_id, used_on)
    live_months = set()
    for row in live_events(selection, month=month):
        live_months.add(month_of(row.used_on))
        yield row
    archives = ArchivedMonth.objects.exclude(month__in=live_months)
    if month:
        archives = archives.filter(month=month)
    for archive in archives:
        yield from read_events(path_of(archive), selection)


def live_events(
    selection: EventSelection = ALL_EVENTS, *, month: date | None = None
) -> Iterator[EventRow]:
    """The events in the table; those of one month in the order of an archive."""
    for batch in live_batches(selection, month=month, size=CHUNK):
        yield from map(event_row, batch)


def live_batches(
    selection: EventSelection = ALL_EVENTS,
    *,
    month: date | None = None,
    size: int | None = None,
) -> Iterator[Sequence[Sequence[Any]]]:
    """The database rows of live_events in batches, by a server-side cursor."""
    where: dict[str, Any] = {
        f"{name} {'<=' if name == 'cutoff' else '='} %s": value
        for name, value in selection.conditions().items()
    }
    order = ""
    if month:
        where |= {"used_on >= %s": month, "used_on < %s": next_month(month)}
        order = "ORDER BY agency_id, meter_id, occurred_at, id"
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM billing_usageevent"
            f" WHERE {' AND '.join(where) or 'true'} {order}",
            list(where.values()),
        )
        while batch := cursor.fetchmany(size or ROWS_A_GROUP):
            yield batch


def path_of(archive: ArchivedMonth) -> Path:
    """The path of an archived month's file, which may be missing."""
    return Path(settings.BILLING["ARCHIVE_ROOT"], archive.file_name)


def sums_of_events(month: date) -> Sums:
    """The sums of a month's events in the table, in the form of parquet.sums_of."""
    return _sums(EVENT_SUMS, month)


def sums_of_days(month: date) -> Sums:
    """The sums of a month's usage days, in the same form."""
    return _sums(DAY_SUMS, month)


def _sums(statement: str, month: date) -> Sums:
    with connection.cursor() as cursor:
        cursor.execute(statement, [month, next_month(month)])
        return {
            (agency, meter, cutoff): (events, raw, billable)
            for agency, meter, cutoff, events, raw, billable in cursor.fetchall()
        }
