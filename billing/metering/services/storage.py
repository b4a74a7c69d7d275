"""Writes a batch by COPY: events, their keys, reversals and usage days.

All rows are written or, if another request counted one of the events, none. While
PostgreSQL works on one COPY, the text of the next one is built.
"""

from collections.abc import (
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from django.db import connection, transaction
from psycopg.errors import UniqueViolation

from billing.metering.domain.events import EventToReverse
from billing.metering.services.validation import CheckedEvent
from core.postgres.arrays import array_text, text_array

T = TypeVar("T")


class ConcurrentWrite(Exception):
    """Another request counted or superseded an event after its key was read."""


# The key of a usage day: agency id, date, meter id, agent id, breakdown.
DayKey = tuple[int, date, int, int | None, str]
ID_BLOCK = 10_000  # ids that one value of the sequence reserves

NEW_IDS = "SELECT nextval('billing_usageevent_id_seq') FROM generate_series(1, %s)"
# Every writer writes keys and days in the same order, so writers never deadlock.
COPY_KEYS = """
    COPY billing_eventkey (key, content, event_id, used_on) FROM STDIN
"""
COPY_EVENTS = """
    COPY billing_usageevent (
        id, used_on, agency_id, agent_id, meter_id, breakdown, owner, source,
        external_id, occurred_at, raw, billable, properties, supersedes, reverses,
        received_at, cutoff)
    FROM STDIN
"""
ADD_TO_DAYS = """
    INSERT INTO billing_usageday AS day (
        agency_id, used_on, meter_id, agent_id, breakdown, cutoff,
        events, raw, billable)
    SELECT * FROM unnest(
        %s::bigint[], %s::date[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[],
        %s::bigint[], %s::numeric[], %s::numeric[])
        AS gain(agency_id, used_on, meter_id, agent_id, breakdown, cutoff,
                events, raw, billable)
    ORDER BY agency_id, used_on, meter_id, agent_id, breakdown
    ON CONFLICT (agency_id, cutoff, used_on, meter_id, agent_id, breakdown)
    DO UPDATE SET events = day.events + excluded.events,
                  raw = day.raw + excluded.raw,
                  billable = day.billable + excluded.billable
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows to write in one transaction, valid only while their keys are free.

    `new_events` has the events by their new ids. `waiting_keys` maps the key of each
    event that was superseded before it arrived to the key of its correction.
    """

    owner: int
    received_at: datetime
    new_events: Mapping[int, CheckedEvent]
    waiting_keys: Mapping[str, str] = field(default_factory=dict)
    reversals: Sequence[EventToReverse] = ()

    def agency_ids(self) -> set[int]:
        """The agencies of all rows."""
        ids = {event.attribution.agency.id for event in self.new_events.values()}
        return ids | {reversal.agency_id for reversal in self.reversals}


def new_ids(count: int) -> Iterator[int]:
    """Ids for `count` rows and, block by block, for any further ones."""
    blocks = -(-count // ID_BLOCK)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(NEW_IDS, [blocks])
            for (block,) in cursor.fetchall():
                yield from range(block, block + ID_BLOCK)


def store_batch(batch: Batch, cutoffs: Mapping[int, int], ids: Iterator[int]) -> None:
    """Write the events, their keys, reversals and usage days.

    `cutoffs` is the cut-off of each agency; reversals take their ids from `ids`. Raises
    ConcurrentWrite if a key is in use or an event was reversed already.
    """
    try:
        with transaction.atomic():
            rows = _copy_while(
                COPY_KEYS,
                "".join(sorted(_key_rows(batch))),
                lambda: [*_event_rows(batch, cutoffs)],
            )
            rows += _reversal_rows(batch, cutoffs, ids)
            totals = _copy_while(COPY_EVENTS, "".join(rows), lambda: _totals(batch))
    except UniqueViolation as error:
        raise ConcurrentWrite from error
    _add_to_days(totals, cutoffs)


def _copy_while(statement: str, text: str, meanwhile: Callable[[], T]) -> T:
    """Run a COPY, and compute something while the database works on it."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text)
        return meanwhile()


def _key_rows(batch: Batch) -> Iterator[str]:
    for event_id, checked in batch.new_events.items():
        yield f"{checked.key}\t{checked.content}\t{event_id}\t{checked.used_on}\n"
    for key, correction_key in batch.waiting_keys.items():
        yield f"{key}\t{correction_key}\t\\N\t\\N\n"


def _event_rows(batch: Batch, cutoffs: Mapping[int, int]) -> Iterator[str]:
    r"""Rows in COPY's text format.

    Only backslashes are escaped: validation admits no control characters.
    """
    owner, received_at = batch.owner, str(batch.received_at)
    for event_id, checked in batch.new_events.items():
        event, attribution = checked.event, checked.attribution
        agency_id = attribution.agency.id
        agent = r"\N" if attribution.agent_id is None else attribution.agent_id
        superseded = r"\N" if event.supersedes is None else _escaped(event.supersedes)
        yield (
            f"{event_id}\t{checked.used_on}\t{agency_id}\t{agent}\t"
            f"{attribution.meter_id}\t"
            f"{_escaped(checked.breakdown)}\t{owner}\t{_escaped(event.source)}\t"
            f"{_escaped(event.id)}\t{checked.occurred_at}\t{checked.raw}\t"
            f"{checked.billable}\t"
            f"{_escaped(checked.properties)}\t{superseded}\t\\N\t{received_at}\t"
            f"{cutoffs[agency_id]}\n"
        )


def _reversal_rows(
    batch: Batch, cutoffs: Mapping[int, int], ids: Iterator[int]
) -> Iterator[str]:
    for row in batch.reversals:
        agent = r"\N" if row.agent_id is None else row.agent_id
        yield (
            f"{next(ids)}\t{row.used_on}\t{row.agency_id}\t{agent}\t{row.meter_id}\t"
            f"{_escaped(row.breakdown)}\t{row.owner}\t{_escaped(row.source)}\t"
            f"{_escaped(row.external_id)}\t{row.occurred_at}\t{-row.raw:f}\t"
            f"{-row.billable:f}\t{{}}\t\\N\t{row.event_id}\t{batch.received_at}\t"
            f"{cutoffs[row.agency_id]}\n"
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\") if "\\" in text else text


def _totals(batch: Batch) -> dict[DayKey, tuple[int, Decimal, Decimal]]:
    """The events, raw and billable units that the batch adds to each usage day."""
    totals: dict[DayKey, tuple[int, Decimal, Decimal]] = {}
    none = (0, Decimal(0), Decimal(0))
    for new in batch.new_events.values():
        names = new.attribution
        day = (
            names.agency.id, new.used_on, names.meter_id, names.agent_id, new.breakdown
        )  # fmt: skip
        events, raw, billable = totals.get(day, none)
        totals[day] = events + 1, raw + new.event.quantity, billable + new.billable
    for row in batch.reversals:
        day = (row.agency_id, row.used_on, row.meter_id, row.agent_id, row.breakdown)
        events, raw, billable = totals.get(day, none)
        totals[day] = events - 1, raw - row.raw, billable - row.billable
    return totals


def _add_to_days(
    totals: Mapping[DayKey, tuple[int, Decimal, Decimal]], cutoffs: Mapping[int, int]
) -> None:
    agencies, dates, meters, agents, breakdowns = zip(*totals, strict=True)
    events, raws, billables = zip(*totals.values(), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            ADD_TO_DAYS,
            [
                array_text(agencies),
                array_text(dates),
                array_text(meters),
                array_text(agents),
                text_array(breakdowns),
                array_text(cutoffs[agency] for agency in agencies),
                array_text(events),
                array_text(f"{raw:f}" for raw in raws),
                array_text(f"{billable:f}" for billable in billables),
            ],
        )
