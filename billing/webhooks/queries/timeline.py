"""The timeline of an agency: its events, newest first, in its own time zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.webhooks.domain.event_messages import event_message
from billing.webhooks.models import OutboxEvent
from core.periods import ZonePeriod, local_date, zone_on
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An event with its message; `at` is in the agency's zone on that date."""

    sequence: int
    at: datetime
    type: str
    message: str
    actor: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page; `older` and `newer` are the `before` of the pages around it, or None."""

    entries: Sequence[TimelineEntry]
    older: int | None
    newer: int | None


def timeline_of(*, agency: Agency, before: int | None, limit: int) -> Timeline:
    """Up to `limit` events before a sequence number (None: the newest), newest first."""
    zones = zones_of([agency.pk])[agency.pk]
    events = OutboxEvent.objects.filter(stream__agency=agency)
    rows = events if before is None else events.filter(sequence__lt=before)
    # One more than is shown: it tells whether there is an older page.
    fetched = list(rows.order_by("-sequence")[: limit + 1])
    page = fetched[:limit]
    newer = None
    if before is not None:
        newest = events.order_by("-sequence").values_list("sequence", flat=True).first()
        last = newest or 0
        newer = min(before + limit, last + 1) if before <= last else None
    return Timeline(
        [_entry(event, zones) for event in page],
        page[-1].sequence if len(fetched) > limit else None,
        newer,
    )


def _entry(event: OutboxEvent, zones: Sequence[ZonePeriod]) -> TimelineEntry:
    zone = zone_on(zones, local_date(event.occurred_at, zones))
    return TimelineEntry(
        event.sequence,
        event.occurred_at.astimezone(ZoneInfo(zone)),
        event.type,
        event_message(event.type, event.payload, zones),
        str(event.payload.get("actor", "")),
    )
