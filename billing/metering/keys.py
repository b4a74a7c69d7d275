"""What the database says of the keys of events: counted, waited for, taken back."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from billing.metering.known import AgencyContext
from billing.metering.storing import Reversal
from seats.arrays import array_text

KEPT = """
    SELECT replace(kept.key::text, '-', ''), replace(kept.content::text, '-', ''),
           kept.event_id IS NULL
    FROM unnest(%s::uuid[]) AS wanted(key)
    JOIN billing_eventkey AS kept USING (key)
"""
COUNTED = """
    SELECT replace(key.key::text, '-', ''), event.id, event.used_on, event.agency_id,
           event.agent_id, event.meter_id, event.breakdown, event.owner, event.source,
           event.external_id, event.occurred_at, event.raw, event.billable,
           back.id IS NOT NULL, books.closed_through, (
               SELECT string_agg(starts_on || ' ' || zone, ',' ORDER BY starts_on)
               FROM seats_agencyzone WHERE agency_id = event.agency_id)
    FROM unnest(%s::uuid[]) AS wanted(key)
    JOIN billing_eventkey AS key USING (key)
    LEFT JOIN billing_usageevent AS event
        ON event.id = key.event_id AND event.used_on = key.used_on
    LEFT JOIN billing_usageevent AS back
        ON back.reverses = key.event_id AND back.used_on = key.used_on
    LEFT JOIN seats_books AS books ON books.agency_id = event.agency_id
"""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that is taken: by an event with this content, or `waiting` for its event,
    which was superseded before it came. Digests in hex.
    """

    key: str
    content: str
    waiting: bool


@dataclass(frozen=True, slots=True)
class ReversibleEvent:
    """A counted event as it can be taken back; None: it is archived.

    `reversed`: it was taken back already.
    """

    event: Reversal | None
    reversed: bool
    agency: AgencyContext


def read_keys(keys: Collection[str]) -> Iterator[StoredKey]:
    """Those of the keys that are taken; the others are free."""
    if keys:
        with connection.cursor() as cursor:
            cursor.execute(KEPT, [array_text(sorted(keys))])
            yield from (StoredKey(*row) for row in cursor.fetchall())


def read_counted(keys: Collection[str]) -> dict[str, ReversibleEvent]:
    """The events behind keys of counted events."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, [array_text(sorted(keys))])
        return {row[0]: _counted(*row[1:]) for row in cursor.fetchall()}


def _counted(*row: Any) -> ReversibleEvent:
    *columns, is_reversed, closed_through, zones = row
    event = None
    if columns[0] is not None:
        columns[9] = str(columns[9])
        event = Reversal(*columns)
    agency = AgencyContext(event.agency_id if event else 0, "", closed_through, zones)
    return ReversibleEvent(event, is_reversed, agency)
