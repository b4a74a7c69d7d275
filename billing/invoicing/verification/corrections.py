"""Events that supersede others: each took its event back once, and nothing else did."""

from collections.abc import Iterator

from django.db import connection

from billing.invoicing.verification.findings import Finding
from billing.metering.events import EventRow, event_key
from billing.metering.models import EventKey

# A reversal says the same as its event, with quantities below zero.
UNLIKE = """
    SELECT back.source, back.external_id
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
    """Which events were to be superseded, and which were; keys in hex."""

    def __init__(self) -> None:
        self._asked: dict[str, str] = {}
        self._reversed: set[str] = set()

    def add(self, event: EventRow) -> None:
        """Take note of an event or reversal."""
        if event.reverses is not None:
            self._reversed.add(_key(event, event.external_id))
        elif event.supersedes is not None:
            self._asked[_key(event, event.supersedes)] = _key(event, event.external_id)

    def findings(self) -> Iterator[Finding]:
        """What does not fit, once every event was added."""
        waiting = {
            row.key.hex: row.content.hex
            for row in EventKey.objects.filter(event_id=None)
        }
        for key, by in self._asked.items():
            waited = waiting.pop(key, by if key in self._reversed else None)
            self._reversed.discard(key)
            if waited != by:
                yield Finding("not_superseded", f"key {key}", "counts all the same")
        for key in sorted(self._reversed):
            yield Finding("reversal_unasked", f"key {key}", "nothing supersedes it")
        for key in sorted(waiting):
            yield Finding("key_unasked", f"key {key}", "nothing supersedes it")
        with connection.cursor() as cursor:
            cursor.execute(UNLIKE)
            for source, name in cursor.fetchall():
                message = "is not what it takes back"
                yield Finding("reversal_differs", f"event {source} {name}", message)


def _key(event: EventRow, external_id: str) -> str:
    return event_key(event.owner, event.source, external_id)
