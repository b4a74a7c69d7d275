"""Events one by one against their keys, their dates and the days' totals."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F

from billing.invoicing.verification.corrections import Corrections
from billing.invoicing.verification.facts import Books
from billing.invoicing.verification.findings import Finding
from billing.metering.events import (
    IncomingEvent,
    arrival_key,
    content_digest,
    event_key,
    properties_json,
    utc_text,
)
from billing.metering.models import EventKey, UsageDay, UsageEvent
from billing.money import plain
from billing.pricing.rating import RateTerms, billable_raw
from seats.agencies.queries import zones_of
from seats.models import Agency
from seats.periods import local_date, month_of

CHUNK = 5_000
Annotated = Any  # an event with the codes of what it refers to
Totals = dict[tuple[object, ...], list[Decimal]]

ORPHANS = """
    SELECT key.key FROM billing_eventkey AS key
    LEFT JOIN billing_usageevent AS event
        ON event.id = key.event_id AND event.used_on = key.used_on
    WHERE key.event_id IS NOT NULL AND event.id IS NULL ORDER BY key.key
"""


def check_usage(books: Books) -> Iterator[Finding]:
    """Each event: digests, local date, billable part; then the sums by day."""
    totals: Totals = {}
    zones = zones_of(Agency.objects.values_list("pk", flat=True))
    events = UsageEvent.objects.annotate(
        agency_code=F("agency__code"),
        agent_name=F("agent__external_id"),
        meter_code=F("meter__code"),
    ).order_by("id")
    chunk: list[UsageEvent] = []
    corrections = Corrections()
    for event in events.iterator(chunk_size=CHUNK):
        corrections.add(event)
        if event.reverses is None:
            chunk.append(event)
        prices = books.prices(event.agency_id, month_of(event.used_on))
        terms = prices.rates_by_meter.get(event.meter_code) if prices else None
        subject = f"event {event.source} {event.external_id}"
        if local_date(event.occurred_at, zones[event.agency_id]) != event.used_on:
            yield Finding("date_differs", subject, f"stands under {event.used_on}")
        if terms is None or _billable(event.raw, terms) != event.billable:
            yield Finding("billable_differs", subject, f"says {event.billable}")
        _add(totals, event)
        if len(chunk) == CHUNK:
            yield from _check_keys(chunk)
            chunk = []
    yield from _check_keys(chunk)
    yield from corrections.findings()
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS)
        for (key,) in cursor.fetchall():
            yield Finding("event_missing", f"key {key}", "was counted and is gone")
    yield from _check_days(totals, books)


def _billable(raw: Decimal, terms: RateTerms) -> Decimal:
    """What an event counts, or below zero what a reversal takes back."""
    return billable_raw(raw, terms) if raw >= 0 else -billable_raw(-raw, terms)


def _add(totals: Totals, event: UsageEvent) -> None:
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


def _check_keys(events: list[UsageEvent]) -> Iterator[Finding]:
    """What an event says is what was counted under its id."""
    digests = {event.pk: _digests(event) for event in events}
    rows = _rows_of(key for key, _ in digests.values())
    waiting = [key for key, row in rows.items() if row.event_id is None]
    arrived = _rows_of(arrival_key(key) for key in waiting)
    for event in events:
        key, content = digests[event.pk]
        row = rows.get(key)
        if row and row.event_id is None:
            row = arrived.get(arrival_key(key))
        subject = f"event {event.source} {event.external_id}"
        if row is None or row.event_id != event.id:
            yield Finding("key_missing", subject, "its id was never counted")
        elif row.content.hex != content or row.used_on != event.used_on:
            yield Finding("content_differs", subject, "is not what was counted")


def _rows_of(keys: Iterable[str]) -> dict[str, EventKey]:
    return {row.key.hex: row for row in EventKey.objects.filter(pk__in=[*keys])}


def _digests(event: Annotated) -> tuple[str, str]:
    told = IncomingEvent(
        source=event.source,
        id=event.external_id,
        agency=event.agency_code,
        agent=event.agent_name,
        meter=event.meter_code,
        quantity=event.raw,
        occurred_at=event.occurred_at,
        properties=event.properties,
        supersedes=event.supersedes,
    )
    key = event_key(event.owner, event.source, event.external_id)
    content = content_digest(
        told,
        plain(event.raw),
        utc_text(event.occurred_at),
        properties_json(event.properties),
    )
    return key, content


def _check_days(totals: Totals, books: Books) -> Iterator[Finding]:
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
        if sums != [day.events, day.raw, day.billable]:
            yield Finding(
                "day_differs",
                f"{books.code(day.agency_id)} {day.used_on}",
                f"says {day.events} events, {day.billable}; counted {sums[0]}, {sums[2]}",
            )
    for missing in totals:
        subject = f"agency {missing[0]}, {missing[4]}"
        yield Finding("day_missing", subject, "has no total")
