"""Finds seats that nobody used lately."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection

from billing.metering.queries.sql import IDLE_SEATS, LAST_USE
from core.postgres.arrays import array_text, columns


@dataclass(frozen=True, slots=True)
class IdleSeat:
    """A seat without use, its holder, and the last use of the holder, if it is recent."""

    seat_id: int
    agency_id: int
    agent_id: int
    agent: str
    added_on: date
    used_on: date | None


def idle_seats(
    todays: Mapping[int, date], *, days: int, look_back: int
) -> list[IdleSeat]:
    """The seats of agencies that no holder used on any of the last days, by agency.

    `todays` are the local dates by agency id; today counts as a day. A seat is idle if
    it was there all these days, has no end, and no event is on record of any agent on a
    date on which it held the seat, not even an unanswered call. Agencies whose events
    name no agent have none: nobody can say. The last use of the holder is looked up
    `look_back` days. Two queries.
    """
    if not todays:
        return []
    spans = [
        (agency_id, today - timedelta(days=days - 1), today)
        for agency_id, today in sorted(todays.items())
    ]
    with connection.cursor() as cursor:
        cursor.execute(IDLE_SEATS, columns(spans, 3))
        rows = cursor.fetchall()
    used = _last_uses(
        {row[2] for row in rows},
        agency_ids={row[1] for row in rows},
        since=min(todays.values()) - timedelta(days=look_back),
    )
    return [
        IdleSeat(seat, agency, agent, name, added_on, used.get(agent))
        for seat, agency, agent, name, added_on in rows
    ]


def _last_uses(
    agent_ids: Collection[int], *, agency_ids: Collection[int], since: date
) -> dict[int, date]:
    with connection.cursor() as cursor:
        cursor.execute(
            LAST_USE,
            {
                "agents": array_text(agent_ids),
                "agencies": array_text(agency_ids),
                "since": since,
            },
        )
        return dict(cursor.fetchall())
