"""What happened to an agency, newest first, in plain words and its own time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.webhooks.models import OutboxEvent
from billing.webhooks.words import words_of
from seats.agencies.queries import zones_of
from seats.models import Agency
from seats.periods import ZonePeriod, local_date, zone_on


@dataclass(frozen=True, slots=True)
class Happening:
    """One event; `at` in the agency's zone of its date."""

    sequence: int
    at: datetime
    type: str
    words: str
    actor: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page; `older` is where the next begins, none at the end. Newer ones likewise."""

    happenings: Sequence[Happening]
    older: int | None
    newer: int | None


def timeline_of(*, agency: Agency, before: int | None, limit: int) -> Timeline:
    """So many events before a sequence number, or the newest. Three queries at most."""
    zones = zones_of([agency.pk])[agency.pk]
    events = OutboxEvent.objects.filter(stream__agency=agency)
    rows = events if before is None else events.filter(sequence__lt=before)
    found = list(rows.order_by("-sequence")[: limit + 1])
    shown = found[:limit]
    newer = None
    if before is not None:
        newest = events.order_by("-sequence").values_list("sequence", flat=True).first()
        last = newest or 0
        newer = min(before + limit, last + 1) if before <= last else None
    return Timeline(
        [_happening(one, zones) for one in shown],
        shown[-1].sequence if len(found) > limit else None,
        newer,
    )


def _happening(event: OutboxEvent, zones: Sequence[ZonePeriod]) -> Happening:
    zone = zone_on(zones, local_date(event.occurred_at, zones))
    return Happening(
        event.sequence,
        event.occurred_at.astimezone(ZoneInfo(zone)),
        event.type,
        words_of(event.type, event.payload, zones),
        str(event.payload.get("actor", "")),
    )
