"""Taking in usage events: thousands at once, each counted once for ever."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection, transaction

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

STAGE = """
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_event (
        n int, key uuid, content uuid, agency_id bigint, agent_id bigint,
        meter_id bigint, breakdown text, used_on date, owner bigint, source text,
        external_id text, occurred_at timestamptz, raw numeric, billable numeric,
        properties jsonb
    ) ON COMMIT DELETE ROWS
"""
KNOWN_KEYS = """
    SELECT replace(key::text, '-', ''), replace(content::text, '-', '')
    FROM billing_eventkey WHERE key = ANY(%s::uuid[])
"""
COPY = "COPY staged_event FROM STDIN"

# Keys and days are written in one order by everybody, so writers never deadlock.
STORE = """
    WITH fresh AS (
        INSERT INTO billing_eventkey (key, content, event_id, used_on)
        SELECT key, content, nextval('billing_usageevent_id_seq'), used_on
        FROM staged_event ORDER BY key
        ON CONFLICT (key) DO NOTHING
        RETURNING key, event_id
    ), counted AS (
        SELECT staged.*, fresh.event_id, books.cutoff
        FROM staged_event AS staged
        JOIN fresh USING (key)
        JOIN seats_books AS books USING (agency_id)
    ), stored AS (
        INSERT INTO billing_usageevent (
            id, used_on, agency_id, agent_id, meter_id, breakdown, owner, source,
            external_id, occurred_at, received_at, raw, billable, properties, cutoff)
        SELECT event_id, used_on, agency_id, agent_id, meter_id, breakdown, owner,
               source, external_id, occurred_at, %s, raw, billable, properties, cutoff
        FROM counted
    ), summed AS (
        INSERT INTO billing_usageday AS day (
            agency_id, used_on, meter_id, agent_id, breakdown, cutoff,
            events, raw, billable)
        SELECT agency_id, used_on, meter_id, agent_id, breakdown, cutoff,
               count(*), sum(raw), sum(billable)
        FROM counted
        GROUP BY agency_id, used_on, meter_id, agent_id, breakdown, cutoff
        ORDER BY agency_id, used_on, meter_id, agent_id, breakdown
        ON CONFLICT (agency_id, used_on, meter_id, agent_id, breakdown, cutoff)
        DO UPDATE SET events = day.events + excluded.events,
                      raw = day.raw + excluded.raw,
                      billable = day.billable + excluded.billable
    )
    SELECT n FROM counted
"""


def ingest_events(
    events: Sequence[IncomingEvent], *, owner: int, now: datetime
) -> list[Verdict]:
    """Store events and their daily totals in one transaction; a verdict for each.

    An event is counted once for ever per (owner, source, id): told again it is a
    duplicate, told differently it is rejected as a conflict and kept for a look.
    One bad event never costs a good one. Repeating is harmless. Meant for up to
    10,000 events.
    """
    if not events:
        return []
    known = read_known(events, now=now)
    verdicts: list[Verdict | None] = [None] * len(events)
    checked: dict[int, Checked] = {}
    for n, event in enumerate(events):
        result = check_event(event, owner, known)
        if isinstance(result, Verdict):
            verdicts[n] = result
        else:
            checked[n] = result
    first = _first_of_each_key(checked)
    ensure_partitions({checked[n].used_on for n in first.values()})
    with transaction.atomic():
        fresh = {n: checked[n] for n in first.values() if not checked[n].too_old}
        accepted = _store(fresh, owner, now) if fresh else set()
        losers = {n: one for n, one in checked.items() if n not in accepted}
        contents = _contents_of({one.key for one in losers.values()})
        conflicts = []
        for n, one in losers.items():
            verdicts[n] = _verdict_of_loser(one, contents)
            if verdicts[n].code == "conflict":  # type: ignore[union-attr]
                conflicts.append(one)
        _keep_conflicts(conflicts, now)
    return [verdict or ACCEPTED for verdict in verdicts]


def _first_of_each_key(checked: dict[int, Checked]) -> dict[str, int]:
    first: dict[str, int] = {}
    for n, one in checked.items():
        first.setdefault(one.key, n)
    return first


def _store(fresh: dict[int, Checked], owner: int, now: datetime) -> set[int]:
    """Write what was never counted before; the positions of those."""
    stamp_facts({one.agency_id for one in fresh.values()})
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy(COPY) as copy:
            copy.write("".join(_copy_rows(fresh, owner)))
        cursor.execute(STORE, [now])
        return {row[0] for row in cursor.fetchall()}


def _copy_rows(fresh: dict[int, Checked], owner: int) -> Iterable[str]:
    r"""COPY's text format; only backslashes need care, control characters are gone."""
    for n, one in fresh.items():
        event = one.event
        agent = r"\N" if one.agent_id is None else one.agent_id
        yield (
            f"{n}\t{one.key}\t{one.content}\t{one.agency_id}\t{agent}\t{one.meter_id}\t"
            f"{_escaped(one.breakdown)}\t{one.used_on}\t{owner}\t"
            f"{_escaped(event.source)}\t{_escaped(event.id)}\t"
            f"{event.occurred_at.isoformat()}\t{event.quantity:f}\t{one.billable:f}\t"
            f"{_escaped(one.properties)}\n"
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\") if "\\" in text else text


def _contents_of(keys: set[str]) -> dict[str, str]:
    """What is known of keys that were not fresh, in hex."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(KNOWN_KEYS, [list(keys)])
        return dict(cursor.fetchall())


def _verdict_of_loser(one: Checked, contents: dict[str, str]) -> Verdict:
    known = contents.get(one.key)
    if known is None:
        return rejected("too_old", "occurred_at", f"{one.used_on} is closed for good.")
    if known == one.content:
        return DUPLICATE
    return rejected("conflict", "id", "This id was counted with another content.")


def _keep_conflicts(conflicts: Sequence[Checked], now: datetime) -> None:
    UsageConflict.objects.bulk_create(
        (
            UsageConflict(
                key=one.key,
                content=one.content,
                agency_id=one.agency_id,
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
