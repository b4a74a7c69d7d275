"""Writing checked events, their keys and their days: by COPY, all or, where
somebody else counted one of them, nothing.

While the database works on what it was sent, the text that comes next is made.
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

from billing.metering.validation import CheckedEvent
from seats.arrays import array_text, text_array

Made = TypeVar("Made")


class ConcurrentWrite(Exception):
    """Somebody else counted or superseded an event between our look and our write."""


# Of a total: agency id, date, meter id, agent id, breakdown.
Day = tuple[int, date, int, int | None, str]
ID_BLOCK = 10_000  # ids that one value of the sequence stands for

NEW_IDS = "SELECT nextval('billing_usageevent_id_seq') FROM generate_series(1, %s)"
# Keys and days are written in one order by everybody, so writers never deadlock.
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
        AS told(agency_id, used_on, meter_id, agent_id, breakdown, cutoff,
                events, raw, billable)
    ORDER BY agency_id, used_on, meter_id, agent_id, breakdown
    ON CONFLICT (agency_id, cutoff, used_on, meter_id, agent_id, breakdown)
    DO UPDATE SET events = day.events + excluded.events,
                  raw = day.raw + excluded.raw,
                  billable = day.billable + excluded.billable
"""


@dataclass(frozen=True, slots=True)
class Reversal:
    """An event as it was counted, to be taken back; `occurred_at` in UTC."""

    event_id: int
    used_on: date
    agency_id: int
    agent_id: int | None
    meter_id: int
    breakdown: str
    owner: int
    source: str
    external_id: str
    occurred_at: str
    raw: Decimal
    billable: Decimal


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written in one transaction, by ids of its own.

    `fresh` are the events by their new ids, `waiting` the keys of events that were
    superseded before they came, each with the key of what superseded it. All holds
    only if the keys are nobody else's.
    """

    owner: int
    received_at: datetime
    fresh: Mapping[int, CheckedEvent]
    waiting: Mapping[str, str] = field(default_factory=dict)
    reversals: Sequence[Reversal] = ()

    def agency_ids(self) -> set[int]:
        """The agencies whose facts are written."""
        ids = {one.place.agency.id for one in self.fresh.values()}
        return ids | {one.agency_id for one in self.reversals}


def new_ids(count: int) -> Iterator[int]:
    """Ids for so many rows, without end for those that want a few more."""
    blocks = -(-count // ID_BLOCK)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(NEW_IDS, [blocks])
            for (block,) in cursor.fetchall():
                yield from range(block, block + ID_BLOCK)


def store_batch(batch: Batch, stamps: Mapping[int, int], ids: Iterator[int]) -> None:
    """Write the events, their keys, what they take back, and the days.

    Facts carry the stamps of their agencies; reversals take their ids from `ids`.
    Raises ConcurrentWrite where a key is taken or an event was taken back already.
    """
    try:
        with transaction.atomic():
            rows = _copying(
                COPY_KEYS,
                "".join(sorted(_key_rows(batch))),
                lambda: [*_event_rows(batch, stamps)],
            )
            rows += _reversal_rows(batch, stamps, ids)
            totals = _copying(COPY_EVENTS, "".join(rows), lambda: _totals(batch))
    except UniqueViolation as error:
        raise ConcurrentWrite from error
    _add_to_days(totals, stamps)


def _copying(statement: str, text: str, meanwhile: Callable[[], Made]) -> Made:
    """Send a text, and make something else while the database works on it."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text)
        return meanwhile()


def _key_rows(batch: Batch) -> Iterator[str]:
    for event_id, one in batch.fresh.items():
        yield f"{one.key}\t{one.content}\t{event_id}\t{one.used_on}\n"
    for key, by in batch.waiting.items():
        yield f"{key}\t{by}\t\\N\t\\N\n"


def _event_rows(batch: Batch, stamps: Mapping[int, int]) -> Iterator[str]:
    r"""COPY's text format; only backslashes need care, control characters are gone."""
    owner, received_at = batch.owner, str(batch.received_at)
    for event_id, item in batch.fresh.items():
        event, place = item.event, item.place
        agency_id = place.agency.id
        agent = r"\N" if place.agent_id is None else place.agent_id
        superseded = r"\N" if event.supersedes is None else _escaped(event.supersedes)
        yield (
            f"{event_id}\t{item.used_on}\t{agency_id}\t{agent}\t{place.meter_id}\t"
            f"{_escaped(item.breakdown)}\t{owner}\t{_escaped(event.source)}\t"
            f"{_escaped(event.id)}\t{item.occurred_at}\t{item.raw}\t{item.billable}\t"
            f"{_escaped(item.properties)}\t{superseded}\t\\N\t{received_at}\t"
            f"{stamps[agency_id]}\n"
        )


def _reversal_rows(
    batch: Batch, stamps: Mapping[int, int], ids: Iterator[int]
) -> Iterator[str]:
    for one in batch.reversals:
        agent = r"\N" if one.agent_id is None else one.agent_id
        yield (
            f"{next(ids)}\t{one.used_on}\t{one.agency_id}\t{agent}\t{one.meter_id}\t"
            f"{_escaped(one.breakdown)}\t{one.owner}\t{_escaped(one.source)}\t"
            f"{_escaped(one.external_id)}\t{one.occurred_at}\t{-one.raw:f}\t"
            f"{-one.billable:f}\t{{}}\t\\N\t{one.event_id}\t{batch.received_at}\t"
            f"{stamps[one.agency_id]}\n"
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\") if "\\" in text else text


def _totals(batch: Batch) -> dict[Day, tuple[int, Decimal, Decimal]]:
    """What each day gains: events, raw and billable."""
    totals: dict[Day, tuple[int, Decimal, Decimal]] = {}
    none = (0, Decimal(0), Decimal(0))
    for item in batch.fresh.values():
        place = item.place
        agency_id, meter_id = place.agency.id, place.meter_id
        day = (agency_id, item.used_on, meter_id, place.agent_id, item.breakdown)
        events, raw, billable = totals.get(day, none)
        totals[day] = events + 1, raw + item.event.quantity, billable + item.billable
    for back in batch.reversals:
        day = (
            back.agency_id, back.used_on, back.meter_id, back.agent_id, back.breakdown
        )  # fmt: skip
        events, raw, billable = totals.get(day, none)
        totals[day] = events - 1, raw - back.raw, billable - back.billable
    return totals


def _add_to_days(
    totals: Mapping[Day, tuple[int, Decimal, Decimal]], stamps: Mapping[int, int]
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
                array_text(stamps[agency] for agency in agencies),
                array_text(events),
                array_text(f"{raw:f}" for raw in raws),
                array_text(f"{billable:f}" for billable in billables),
            ],
        )
