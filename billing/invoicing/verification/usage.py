"""Checks usage events one by one: keys, local dates, and the totals of days."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice

from django.db import connection

from billing.invoicing.verification.archives import Archives
from billing.invoicing.verification.corrections import Corrections
from billing.invoicing.verification.facts import RecomputedBooks
from billing.invoicing.verification.findings import (
    PLATFORM,
    About,
    Finding,
    about_agency,
)
from billing.metering.domain.events import (
    EventRow,
    IncomingEvent,
    arrival_key,
    content_digest,
    event_key,
    properties_json,
    utc_text,
)
from billing.metering.domain.parquet import read_events
from billing.metering.models import ArchivedMonth, EventKey, UsageDay
from billing.metering.queries.event_store import live_events, path_of
from billing.pricing.domain.rating import RateTerms, billable_raw
from billing.pricing.models import Meter
from core.money import plain
from core.periods import local_date, month_of, next_month
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency, Agent

CHUNK = 5_000
EVENT_MISSING = "was counted, but the event does not exist"
Totals = dict[tuple[int, int | None, int, str, date, int], list[Decimal]]

ORPHANS = """
    SELECT key.key FROM billing_eventkey AS key
    LEFT JOIN billing_usageevent AS event
        ON event.id = key.event_id AND event.used_on = key.used_on
    WHERE event.id IS NULL AND key.event_id IS NOT NULL
      AND date_trunc('month', key.used_on)::date <> ALL (%s::date[])
    ORDER BY key.key
"""
KEYS_BY_MONTH = """
    SELECT date_trunc('month', used_on)::date, count(*)
    FROM billing_eventkey WHERE used_on IS NOT NULL GROUP BY 1
"""
TWINS = """
    SELECT key.event_id, min(event.agency_id), min(key.used_on)
    FROM billing_eventkey AS key
    LEFT JOIN billing_usageevent AS event
        ON event.id = key.event_id AND event.used_on = key.used_on
    WHERE key.event_id IS NOT NULL
    GROUP BY key.event_id HAVING count(*) > 1 ORDER BY key.event_id
"""
KEYS_OF_MONTH = """
    SELECT key, event_id FROM billing_eventkey
    WHERE used_on >= %s AND used_on < %s ORDER BY key
"""


class CodesById:
    """The codes of agencies, agents and meters by id, as events name them."""

    def __init__(self) -> None:
        self.agencies = dict(Agency.objects.values_list("pk", "code"))
        self.agents = dict(Agent.objects.values_list("pk", "external_id"))
        self.meters = dict(Meter.objects.values_list("pk", "code"))
        self.zones = zones_of(self.agencies)

    def about(self, event: EventRow) -> About:
        """The agency and month of an event; the platform for an unknown agency."""
        if event.agency_id not in self.agencies:
            return PLATFORM
        return about_agency(event.agency_id, month_of(event.used_on))


def check_usage(books: RecomputedBooks, archives: Archives) -> Iterator[Finding]:
    """Check each event's digests, local date and billable quantity, then daily totals.

    Events of archived months are read from their files and checked alike. A file that
    cannot be read is reported once, without its events.
    """
    totals: Totals = {}
    corrections = Corrections()
    names = CodesById()
    live = yield from _check_events(live_events(), books, names, totals, corrections)
    away = [record.month for record in (*archives.readable, *archives.unreadable)]
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS, [away])
        for (key,) in cursor.fetchall():
            yield Finding("event_missing", f"key {key}", EVENT_MISSING)
        cursor.execute(KEYS_BY_MONTH)
        keys = dict(cursor.fetchall())
    if live != sum(count for month, count in keys.items() if month not in away):
        yield from _name_twins()
    for archive in archives.readable:
        read = read_events(path_of(archive))
        matched = yield from _check_events(read, books, names, totals, corrections)
        if matched != keys.get(archive.month, 0):
            yield from _name_orphans(archive)
            yield from _name_twins()
    if not archives.unreadable:
        yield from corrections.findings()
    lost = {record.month for record in archives.unreadable}
    yield from _check_days(totals, books, names, lost)


def _check_events(
    events: Iterable[EventRow],
    books: RecomputedBooks,
    names: CodesById,
    totals: Totals,
    corrections: Corrections,
) -> Generator[Finding, None, int]:
    """Returns how many of the events have the key that was counted for them."""
    matched = 0
    rows = iter(events)
    while chunk := list(islice(rows, CHUNK)):
        for event in chunk:
            yield from _check_event(event, books, names)
            _add(totals, event)
            corrections.add(event)
        counted = [event for event in chunk if event.reverses is None]
        matched += yield from _check_keys(counted, names)
    return matched


def _check_event(
    event: EventRow, books: RecomputedBooks, names: CodesById
) -> Iterator[Finding]:
    subject = f"event {event.source} {event.external_id}"
    if event.agency_id not in names.agencies or event.meter_id not in names.meters:
        message = "its agency or meter does not exist"
        yield Finding("event_unknown", subject, message, names.about(event))
        return
    prices = books.prices(event.agency_id, month_of(event.used_on))
    meter = names.meters[event.meter_id]
    terms = prices.rates_by_meter.get(meter) if prices else None
    if local_date(event.occurred_at, names.zones[event.agency_id]) != event.used_on:
        message = f"is recorded on {event.used_on}, which is not its local date"
        yield Finding("date_differs", subject, message, names.about(event))
    if terms is None or _billable(event.raw, terms) != event.billable:
        message = f"billable is {event.billable}, which does not follow from the rate"
        yield Finding("billable_differs", subject, message, names.about(event))


def _billable(raw: Decimal, terms: RateTerms) -> Decimal:
    """The billable quantity of an event; negative for a reversal."""
    return billable_raw(raw, terms) if raw >= 0 else -billable_raw(-raw, terms)


def _name_orphans(archive: ArchivedMonth) -> Iterator[Finding]:
    """The keys of an archived month whose event is not in its file."""
    held = {row.id for row in read_events(path_of(archive))}
    with connection.chunked_cursor() as cursor:
        month = archive.month
        cursor.execute(KEYS_OF_MONTH, [month, next_month(month)])
        while rows := cursor.fetchmany(CHUNK):
            for key, event_id in rows:
                if event_id not in held:
                    yield Finding("event_missing", f"key {key}", EVENT_MISSING)


def _name_twins() -> Iterator[Finding]:
    """The events that have more than one key, so that an id is taken for nothing."""
    with connection.cursor() as cursor:
        cursor.execute(TWINS)
        for event_id, agency_id, used_on in cursor.fetchall():
            about = about_agency(agency_id, month_of(used_on))
            message = "was counted under more than one id"
            yield Finding("key_twice", f"event {event_id}", message, about)


def _add(totals: Totals, event: EventRow) -> None:
    key = (
        event.agency_id,
        event.agent_id,
        event.meter_id,
        event.breakdown,
        event.used_on,
        event.cutoff,
    )
    sums = totals.setdefault(key, [Decimal(0)] * 3)
    sign = 1 if event.reverses is None else -1
    totals[key] = [sums[0] + sign, sums[1] + event.raw, sums[2] + event.billable]


def _check_keys(
    events: Sequence[EventRow], names: CodesById
) -> Generator[Finding, None, int]:
    """Check events against their keys; returns how many have their key."""
    digests = {event.id: _digests(event, names) for event in events}
    rows = _rows_of(key for key, _ in digests.values())
    waiting = [key for key, row in rows.items() if row.event_id is None]
    arrived = _rows_of(arrival_key(key) for key in waiting)
    matched = 0
    for event in events:
        key, content = digests[event.id]
        row = rows.get(key)
        if row and row.event_id is None:
            row = arrived.get(arrival_key(key))
        subject = f"event {event.source} {event.external_id}"
        if row is None or row.event_id != event.id:
            message = "no key was counted for its id"
            yield Finding("key_missing", subject, message, names.about(event))
            continue
        matched += 1
        if row.content.hex != content or row.used_on != event.used_on:
            message = "its content or date differs from what was counted"
            yield Finding("content_differs", subject, message, names.about(event))
    return matched


def _rows_of(keys: Iterable[str]) -> dict[str, EventKey]:
    return {row.key.hex: row for row in EventKey.objects.filter(pk__in=[*keys])}


def _digests(event: EventRow, names: CodesById) -> tuple[str, str]:
    incoming = IncomingEvent(
        source=event.source,
        id=event.external_id,
        agency=names.agencies.get(event.agency_id, ""),
        agent=names.agents.get(event.agent_id) if event.agent_id else None,
        meter=names.meters.get(event.meter_id, ""),
        quantity=event.raw,
        occurred_at=event.occurred_at,
        properties=event.properties,
        supersedes=event.supersedes,
    )
    key = event_key(event.owner, event.source, event.external_id)
    content = content_digest(
        incoming,
        plain(event.raw),
        utc_text(event.occurred_at),
        properties_json(event.properties),
    )
    return key, content


def _check_days(
    totals: Totals, books: RecomputedBooks, names: CodesById, lost: set[date]
) -> Iterator[Finding]:
    """Check the totals of days, except in months whose events cannot be read."""
    for day in UsageDay.objects.order_by("pk").iterator():
        key = (
            day.agency_id,
            day.agent_id,
            day.meter_id,
            day.breakdown,
            day.used_on,
            day.cutoff,
        )
        sums = totals.pop(key, [Decimal(0)] * 3)
        if month_of(day.used_on) in lost:
            continue
        if sums != [day.events, day.raw, day.billable]:
            yield Finding(
                "day_differs",
                f"{books.code(day.agency_id)} {day.used_on}",
                f"total is {day.events} events and {day.billable} billable, but"
                f" {sums[0]} events and {sums[2]} were counted",
                about_agency(day.agency_id, month_of(day.used_on)),
            )
    for agency_id, _, _, _, used_on, _ in totals:
        agency_exists = agency_id in names.agencies
        about = (
            about_agency(agency_id, month_of(used_on)) if agency_exists else PLATFORM
        )
        message = "has events, but no total"
        yield Finding("day_missing", f"agency {agency_id}, {used_on}", message, about)
