"""Checks that each superseding event reverses its event once, and nothing else does."""

from collections.abc import Iterator

from django.db import connection

from billing.invoicing.verification.findings import (
    PLATFORM,
    About,
    Finding,
    about_agency,
)
from billing.metering.domain.events import EventRow, event_key
from billing.metering.models import EventKey
from core.periods import month_of

# A reversal equals its event, with negative quantities.
UNLIKE = """
    SELECT back.source, back.external_id, back.agency_id, back.used_on
    FROM billing_usageevent AS back
    LEFT JOIN billing_usageevent AS event
        ON event.id = back.reverses AND event.used_on = back.used_on
    WHERE back.reverses IS NOT NULL AND (
        event.reverses IS NOT NULL
        OR (event.owner, event.source, event.external_id, event.agency_id,
            event.agent_id, event.meter_id, event.breakdown, event.occurred_at,
            event.raw, event.billable)
        IS DISTINCT FROM
           (back.owner, back.source, back.external_id, back.agency_id,
            back.agent_id, back.meter_id, back.breakdown, back.occurred_at,
            -back.raw, -back.billable))
    ORDER BY back.id
"""


class Corrections:
    """Which events should be superseded, and which are; keys in hex."""

    def __init__(self) -> None:
        self._superseding: dict[str, str] = {}  # key to the superseding event's key
        self._reversed: set[str] = set()
        self._about: dict[str, About] = {}

    def add(self, event: EventRow) -> None:
        """Remember an event or reversal."""
        if event.reverses is not None:
            self._reversed.add(self._remember_key(event, event.external_id))
        elif event.supersedes is not None:
            key = self._remember_key(event, event.supersedes)
            self._superseding[key] = _key(event, event.external_id)

    def findings(self) -> Iterator[Finding]:
        """The differences, once every event was added."""
        waiting = {
            row.key.hex: row.content.hex
            for row in EventKey.objects.filter(event_id=None)
        }
        for key, by in self._superseding.items():
            waited = waiting.pop(key, by if key in self._reversed else None)
            self._reversed.discard(key)
            if waited != by:
                message = "is superseded, but still counts"
                yield Finding("not_superseded", f"key {key}", message, self._of(key))
        for key in sorted(self._reversed):
            message = "was taken back, but no event supersedes it"
            yield Finding("unexpected_reversal", f"key {key}", message, self._of(key))
        for key in sorted(waiting):
            message = "waits to be superseded, but no event supersedes it"
            yield Finding("key_unasked", f"key {key}", message)
        with connection.cursor() as cursor:
            cursor.execute(UNLIKE)
            for source, name, agency_id, used_on in cursor.fetchall():
                message = "the reversal differs from the event that it reverses"
                about = about_agency(agency_id, month_of(used_on))
                subject = f"event {source} {name}"
                yield Finding("reversal_differs", subject, message, about)

    def _remember_key(self, event: EventRow, external_id: str) -> str:
        """The key of an event id; remembers its agency and month for findings."""
        key = _key(event, external_id)
        self._about[key] = about_agency(event.agency_id, month_of(event.used_on))
        return key

    def _of(self, key: str) -> About:
        return self._about.get(key, PLATFORM)


def _key(event: EventRow, external_id: str) -> str:
    return event_key(event.owner, event.source, external_id)
