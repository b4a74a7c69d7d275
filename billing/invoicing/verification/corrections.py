"""Events that supersede others: each took its event back once, and nothing else did."""

from collections.abc import Iterator

from django.db import connection

from billing.invoicing.verification.findings import (
    PLATFORM,
    About,
    Finding,
    about_agency,
)
from billing.metering.events import EventRow, event_key
from billing.metering.models import EventKey
from seats.periods import month_of

# A reversal says the same as its event, with quantities below zero.
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
    """Which events were to be superseded, and which were; keys in hex."""

    def __init__(self) -> None:
        self._asked: dict[str, str] = {}
        self._reversed: set[str] = set()
        self._about: dict[str, About] = {}

    def add(self, event: EventRow) -> None:
        """Take note of an event or reversal."""
        if event.reverses is not None:
            self._reversed.add(self._known(event, event.external_id))
        elif event.supersedes is not None:
            key = self._known(event, event.supersedes)
            self._asked[key] = _key(event, event.external_id)

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
                message = "counts all the same"
                yield Finding("not_superseded", f"key {key}", message, self._of(key))
        for key in sorted(self._reversed):
            message = "nothing supersedes it"
            yield Finding("reversal_unasked", f"key {key}", message, self._of(key))
        for key in sorted(waiting):
            yield Finding("key_unasked", f"key {key}", "nothing supersedes it")
        with connection.cursor() as cursor:
            cursor.execute(UNLIKE)
            for source, name, agency_id, used_on in cursor.fetchall():
                message = "is not what it takes back"
                about = about_agency(agency_id, month_of(used_on))
                subject = f"event {source} {name}"
                yield Finding("reversal_differs", subject, message, about)

    def _known(self, event: EventRow, external_id: str) -> str:
        """The key of an id; remembers whose agency and month it is about."""
        key = _key(event, external_id)
        self._about[key] = about_agency(event.agency_id, month_of(event.used_on))
        return key

    def _of(self, key: str) -> About:
        return self._about.get(key, PLATFORM)


def _key(event: EventRow, external_id: str) -> str:
    return event_key(event.owner, event.source, external_id)
