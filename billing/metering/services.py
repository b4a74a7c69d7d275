"""Taking in usage events: thousands at once, each counted once for ever."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, connection, transaction
from psycopg.errors import CheckViolation

from billing.metering.events import (
    ACCEPTED,
    DUPLICATE,
    IncomingEvent,
    Verdict,
    rejected,
)
from billing.metering.models import UsageConflict
from billing.metering.partitions import ensure_partitions
from billing.metering.validation import Checked, check_event, read_known
from seats.cutoffs.services import stamp_facts

NEW_IDS = """
    SELECT array_agg(nextval('billing_usageevent_id_seq')) FROM generate_series(1, %s)
"""
# Keys and days are written in one order by everybody, so writers never deadlock.
CLAIM_KEYS = """
    INSERT INTO billing_eventkey (key, content, event_id, used_on)
    SELECT key, content, event_id, used_on
    FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::date[])
        AS told(key, content, event_id, used_on)
    ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING event_id
"""
COPY_EVENTS = """
    COPY billing_usageevent (
        id, used_on, agency_id, agent_id, meter_id, breakdown, owner, source,
        external_id, occurred_at, received_at, raw, billable, properties, cutoff)
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
    ON CONFLICT (agency_id, used_on, meter_id, agent_id, breakdown, cutoff)
    DO UPDATE SET events = day.events + excluded.events,
                  raw = day.raw + excluded.raw,
                  billable = day.billable + excluded.billable
"""
SAME_CONTENT = """
    SELECT told.n, counted.content = told.content
    FROM unnest(%s::int[], %s::uuid[], %s::uuid[]) AS told(n, key, content)
    JOIN billing_eventkey AS counted USING (key)
"""


def ingest_events(
    events: Sequence[IncomingEvent],
    *,
    owner: int,
    now: datetime,
    within: Collection[int] | None = None,
) -> list[Verdict]:
    """Store events and their daily totals in one transaction; a verdict for each.

    An event is counted once for ever per (owner, source, id): told again it is a
    duplicate, told differently it is rejected as a conflict and kept for a look.
    One bad event never costs a good one. Repeating is harmless. Agencies that are
    not `within` these ids are unknown; None: all are known. Meant for up to 10,000
    events.
    """
    try:
        return _ingest(events, owner, now, within)
    except (IntegrityError, CheckViolation) as error:
        if not _month_left(error):
            raise
        return _ingest(events, owner, now, within)  # which knows of it, and refuses


def _month_left(error: Exception) -> bool:
    """Whether a month was archived between looking and writing."""
    cause = error.__cause__ or error  # a COPY raises the driver's own
    return isinstance(cause, CheckViolation) and cause.diag.constraint_name in {
        None,  # no partition
        "usage_month_is_archived",
    }


def _ingest(
    events: Sequence[IncomingEvent],
    owner: int,
    now: datetime,
    within: Collection[int] | None,
) -> list[Verdict]:
    if not events:
        return []
    known = read_known(events, now=now, within=within)
    verdicts = [ACCEPTED] * len(events)
    checked: dict[int, Checked] = {}
    for n, event in enumerate(events):
        result = check_event(event, owner, known)
        if isinstance(result, Checked):
            checked[n] = result
        else:
            verdicts[n] = result
    fresh = _first_of_each_key(checked)
    ensure_partitions({one.used_on for one in fresh.values()})
    with transaction.atomic():
        accepted = _store(fresh, owner, now) if fresh else set()
        losers = {n: one for n, one in checked.items() if n not in accepted}
        same = _same_contents(losers)
        for n, one in losers.items():
            verdicts[n] = _verdict_of_loser(one, is_same=same.get(n))
        _keep_conflicts([losers[n] for n, is_same in same.items() if not is_same], now)
    return verdicts


def _first_of_each_key(checked: dict[int, Checked]) -> dict[int, Checked]:
    """Of events with one key the first; those too old are not to be counted."""
    first: dict[str, int] = {}
    for n, one in checked.items():
        first.setdefault(one.key, n)
    return {n: checked[n] for n in first.values() if not checked[n].too_old}


def _store(fresh: dict[int, Checked], owner: int, now: datetime) -> set[int]:
    """Write what was never counted before; the positions of those."""
    stamps = stamp_facts({one.place.agency.id for one in fresh.values()})
    claimed = _claim_keys(fresh)
    if claimed:
        rows = [(event_id, fresh[n]) for event_id, n in claimed.items()]
        with connection.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
            copy.write("".join(_copy_rows(rows, owner, now, stamps)))
        _add_to_days((one for _, one in rows), stamps)
    return set(claimed.values())


def _claim_keys(fresh: dict[int, Checked]) -> dict[int, int]:
    """Take the keys that nobody took: the position by its new event id."""
    with connection.cursor() as cursor:
        cursor.execute(NEW_IDS, [len(fresh)])
        ids = cursor.fetchone()[0]
        columns = [
            [one.key for one in fresh.values()],
            [one.content for one in fresh.values()],
            ids,
            [one.used_on for one in fresh.values()],
        ]
        cursor.execute(CLAIM_KEYS, [_array(column) for column in columns])
        position = dict(zip(ids, fresh, strict=True))
        return {event_id: position[event_id] for (event_id,) in cursor.fetchall()}


def _copy_rows(
    rows: Iterable[tuple[int, Checked]],
    owner: int,
    now: datetime,
    stamps: dict[int, int],
) -> Iterable[str]:
    r"""COPY's text format; only backslashes need care, control characters are gone."""
    received_at = str(now)
    for event_id, one in rows:
        event, place = one.event, one.place
        agent = r"\N" if place.agent_id is None else place.agent_id
        yield (
            f"{event_id}\t{one.used_on}\t{place.agency.id}\t{agent}\t{place.meter_id}\t"
            f"{_escaped(one.breakdown)}\t{owner}\t{_escaped(event.source)}\t"
            f"{_escaped(event.id)}\t{event.occurred_at}\t{received_at}\t{event.quantity:f}\t"
            f"{one.billable:f}\t{_escaped(one.properties)}\t{stamps[place.agency.id]}\n"
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\") if "\\" in text else text


def _add_to_days(counted: Iterable[Checked], stamps: dict[int, int]) -> None:
    """Add events to the totals of their days, one row for each day that they touch."""
    totals: dict[tuple[object, ...], tuple[int, Decimal, Decimal]] = {}
    none = (0, Decimal(0), Decimal(0))
    for one in counted:
        place = one.place
        day = (
            place.agency.id,
            one.used_on,
            place.meter_id,
            place.agent_id,
            one.breakdown,
            stamps[place.agency.id],
        )
        events, raw, billable = totals.get(day, none)
        totals[day] = (events + 1, raw + one.event.quantity, billable + one.billable)
    rows = (day + total for day, total in totals.items())
    *names, cutoffs, events_of, raws, billables = zip(*rows, strict=True)
    agencies, dates, meters, agents, breakdowns = names
    with connection.cursor() as cursor:
        cursor.execute(
            ADD_TO_DAYS,
            [
                _array(agencies),
                _array(dates),
                _array(meters),
                _array("NULL" if agent is None else agent for agent in agents),
                list(breakdowns),
                _array(cutoffs),
                _array(events_of),
                _array(f"{raw:f}" for raw in raws),
                _array(f"{billable:f}" for billable in billables),
            ],
        )


def _array(values: Iterable[object]) -> str:
    """An array in PostgreSQL's spelling, of values that need no quotes.

    As one text it costs a tenth of what a list of as many parameters does.
    """
    return "{" + ",".join(map(str, values)) + "}"


def _same_contents(told: dict[int, Checked]) -> dict[int, bool]:
    """Whether events whose key is counted say the same as then; unknown: absent."""
    if not told:
        return {}
    keys = _array(one.key for one in told.values())
    contents = _array(one.content for one in told.values())
    with connection.cursor() as cursor:
        cursor.execute(SAME_CONTENT, [_array(told), keys, contents])
        return dict(cursor.fetchall())


def _verdict_of_loser(one: Checked, *, is_same: bool | None) -> Verdict:
    if is_same is None:
        return rejected("too_old", "occurred_at", f"{one.used_on} is closed for good.")
    if is_same:
        return DUPLICATE
    return rejected("conflict", "id", "This id was counted with another content.")


def _keep_conflicts(conflicts: Collection[Checked], now: datetime) -> None:
    UsageConflict.objects.bulk_create(
        (
            UsageConflict(
                key=one.key,
                content=one.content,
                agency_id=one.place.agency.id,
                event={
                    "source": one.event.source,
                    "id": one.event.id,
                    "agency": one.event.agency,
                    "agent": one.event.agent,
                    "meter": one.event.meter,
                    "quantity": f"{one.event.quantity:f}",
                    "occurred_at": one.event.occurred_at.isoformat(),
                    "properties": dict(one.event.properties),
                },
                received_at=now,
            )
            for one in conflicts
        ),
        ignore_conflicts=True,
    )
