"""Events that supersede others: what they take back, found before anything is written.

An event is superseded once. One that has not come yet is remembered by its key; when it
comes, it is counted and taken back at once, and so is what it supersedes itself. So
the days are the same in whatever order events come.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from billing.metering.events import Verdict, arrival_key, event_key, rejected
from billing.metering.known import Known, KnownAgency
from billing.metering.storing import Reversal
from billing.metering.validation import Checked
from seats.arrays import array_text

REMEMBERED = """
    SELECT replace(key.key::text, '-', ''), event.id, event.used_on, event.agency_id,
           event.agent_id, event.meter_id, event.breakdown, event.owner, event.source,
           event.external_id, event.occurred_at, event.raw, event.billable,
           key.event_id IS NULL, back.id IS NOT NULL, books.closed_through, (
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
GONE = rejected("superseded_already", "supersedes", "It was superseded already.")
FAR = rejected("too_old", "supersedes", "It is of a month that is closed for good.")
UNKNOWN = rejected("unknown_event", "supersedes", "No such event.")


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a key says: its event, unless that is archived or has not come yet.

    `waits`: it has not come. `reversed`: it was taken back.
    """

    event: Reversal | None
    waits: bool
    reversed: bool
    agency: KnownAgency


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the corrections of a batch come to; `refused` and so on by event id.

    All holds only if the keys in `own` are nobody else's.
    """

    refused: dict[int, Verdict] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    reversals: list[Reversal] = field(default_factory=list)
    own: set[str] = field(default_factory=set)

    def take_back(
        self, victim: str, by: str, counted: Remembered | None, beside: Reversal | None
    ) -> None:
        """Take back the event of a key, superseded by that of another key: counted
        before, told beside it in the batch, or not come yet.
        """
        if counted:
            assert counted.event
            self.reversals.append(counted.event)
            return
        self.own.add(victim)
        if beside:
            self.reversals.append(beside)
        else:
            self.waiting[victim] = by


def resolve_corrections(
    fresh: Mapping[int, Checked],
    *,
    owner: int,
    known: Known,
    within: Collection[int] | None,
    arrivals: bool = False,
) -> Resolved:
    """Of events by their new ids: what those that supersede others take back.

    `arrivals`: the events were superseded before they came. Agencies that are not
    `within` these ids have no events; None: all have. Goes in the order of the events;
    changes nothing.
    """
    resolved = Resolved()
    victims = {
        n: event_key(owner, one.event.source, one.event.supersedes)
        for n, one in fresh.items()
        if one.event.supersedes is not None
    }
    concerned = fresh if arrivals else victims
    if not concerned:
        return resolved
    own = {
        n: arrival_key(fresh[n].key) if arrivals else fresh[n].key for n in concerned
    }
    remembered = _remembered({*victims.values(), *own.values()})
    # What was told before is a duplicate or a conflict, whatever it supersedes.
    new = {n: key for n, key in own.items() if key not in remembered}
    asked = {n: victims[n] for n in new if n in victims}
    resolved.refused.update(_refuse(asked, remembered, known, within))
    superseded = set(asked.values())
    in_batch = {
        one.key: _reversal_of(n, one, owner)
        for n, one in fresh.items()
        if one.key in superseded and n not in resolved.refused
    }
    for n in new.keys() - resolved.refused.keys():
        if victim := asked.get(n):
            before = remembered.get(victim)
            resolved.take_back(victim, fresh[n].key, before, in_batch.get(victim))
        resolved.own.add(new[n])
        if arrivals:
            resolved.reversals.append(_reversal_of(n, fresh[n], owner))
    return resolved


def _refuse(
    asked: Mapping[int, str],
    remembered: Mapping[str, Remembered],
    known: Known,
    within: Collection[int] | None,
) -> dict[int, Verdict]:
    """Which events may not supersede what they ask for; the first to ask gets it."""
    refused: dict[int, Verdict] = {}
    taken: set[str] = set()
    for n, victim in asked.items():
        before = remembered.get(victim)
        problem = GONE if victim in taken else _problem(before, known, within)
        if problem:
            refused[n] = problem
        else:
            taken.add(victim)
    return refused


def _problem(
    before: Remembered | None, known: Known, within: Collection[int] | None
) -> Verdict | None:
    """Why an event cannot be superseded, if so."""
    if before is None:
        return None
    event = before.event
    if event and within is not None and event.agency_id not in within:
        return UNKNOWN
    if before.waits or before.reversed:
        return GONE
    if event is None:
        return FAR
    if known.too_old(before.agency, event.used_on):
        return FAR
    return None


def _remembered(keys: Collection[str]) -> dict[str, Remembered]:
    with connection.cursor() as cursor:
        cursor.execute(REMEMBERED, [array_text(sorted(keys))])
        return {row[0]: _read(*row[1:]) for row in cursor.fetchall()}


def _read(*row: Any) -> Remembered:
    *event, waits, is_reversed, closed_through, zones = row
    told = None
    if event[0] is not None:
        event[9] = str(event[9])
        told = Reversal(*event)
    agency = KnownAgency(told.agency_id if told else 0, "", closed_through, zones)
    return Remembered(told, waits, is_reversed, agency)


def _reversal_of(event_id: int, one: Checked, owner: int) -> Reversal:
    """An event of the same batch, as it is about to be counted."""
    return Reversal(
        event_id=event_id,
        used_on=one.used_on,
        agency_id=one.place.agency.id,
        agent_id=one.place.agent_id,
        meter_id=one.place.meter_id,
        breakdown=one.breakdown,
        owner=owner,
        source=one.event.source,
        external_id=one.event.id,
        occurred_at=one.occurred_at,
        raw=one.event.quantity,
        billable=one.billable,
    )
