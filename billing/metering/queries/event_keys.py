"""Reads the stored keys of events: counted, waiting for their event, or reversed."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from billing.metering.domain.events import EventToReverse
from billing.metering.queries.batch_context import AgencyContext
from core.postgres.arrays import array_text

STORED = """
    SELECT replace(stored.key::text, '-', ''), replace(stored.content::text, '-', ''),
           stored.event_id IS NULL
    FROM unnest(%s::uuid[]) AS wanted(key)
    JOIN billing_eventkey AS stored USING (key)
"""
COUNTED = """
    SELECT replace(key.key::text, '-', ''), event.id, event.used_on, event.agency_id,
           event.agent_id, event.meter_id, event.breakdown, event.owner, event.source,
           event.external_id, event.occurred_at, event.raw, event.billable,
           back.id IS NOT NULL, counter.closed_through, (
               SELECT string_agg(starts_on || ' ' || zone, ',' ORDER BY starts_on)
               FROM seats_agencyzone WHERE agency_id = event.agency_id)
    FROM unnest(%s::uuid[]) AS wanted(key)
    JOIN billing_eventkey AS key USING (key)
    LEFT JOIN billing_usageevent AS event
        ON event.id = key.event_id AND event.used_on = key.used_on
    LEFT JOIN billing_usageevent AS back
        ON back.reverses = key.event_id AND back.used_on = key.used_on
    LEFT JOIN seats_cutoffcounter AS counter ON counter.agency_id = event.agency_id
"""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that is in use; digests in hex.

    Either an event with this content was counted under it, or it is `waiting` for its
    event, which was superseded before it arrived.
    """

    key: str
    content: str
    waiting: bool


@dataclass(frozen=True, slots=True)
class ReversibleEvent:
    """A counted event and its reversal (None: it is archived and cannot be reversed).

    `reversed` is true if it was reversed already.
    """

    reversal: EventToReverse | None
    reversed: bool
    agency: AgencyContext


def read_keys(keys: Collection[str]) -> Iterator[StoredKey]:
    """The keys among these that are in use."""
    if keys:
        with connection.cursor() as cursor:
            cursor.execute(STORED, [array_text(sorted(keys))])
            yield from (StoredKey(*row) for row in cursor.fetchall())


def read_counted(keys: Collection[str]) -> dict[str, ReversibleEvent]:
    """The counted events of these keys, by key."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, [array_text(sorted(keys))])
        return {row[0]: _counted(*row[1:]) for row in cursor.fetchall()}


def _counted(*row: Any) -> ReversibleEvent:
    *columns, is_reversed, closed_through, zones = row
    reversal = None
    if columns[0] is not None:
        columns[9] = str(columns[9])
        reversal = EventToReverse(*columns)
    agency_id = reversal.agency_id if reversal else 0
    agency = AgencyContext(agency_id, "", closed_through, zones)
    return ReversibleEvent(reversal, is_reversed, agency)
