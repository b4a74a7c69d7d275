"""The delivered bytes of every type of event, as receivers have come to rely on them.

`wire_format.jsonl` holds a body of each type. It changes only when a field is added; a
field that goes away, moves or changes its form breaks receivers.
"""

import re
from pathlib import Path

from django.db import transaction

from billing.webhooks.models import OutboxEvent
from billing.webhooks.services.endpoints import (
    add_endpoint,
    announce_pauses,
    send_test_event,
)
from seats.models import Agency
from tests.billing.webhooks.stories import WHO, play_everything
from tests.billing.webhooks.test_catalogue import body_of_row

BODIES = Path(__file__).with_name("wire_format.jsonl")
# What is different each time, and what is put in its place.
VARYING = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "00000000-0000-0000-0000-000000000000",
    r"\b[0-9a-f]{64}\b": "0" * 64,
    r'(?<="subject":")(payer_shares|processor_event):\d+': r"\1:1",
}


def test_of_every_event_is_the_recorded_one(db, settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    play_everything()
    pause_and_test_an_endpoint()

    bodies: dict[str, str] = {}
    for event in OutboxEvent.objects.select_related("stream__agency").order_by("pk"):
        bodies.setdefault(event.type, fixed(body_of_row(event).decode()))

    recorded = BODIES.read_text().splitlines()
    assert [bodies[kind] for kind in sorted(bodies)] == recorded


def pause_and_test_an_endpoint() -> None:
    endpoint, _secret = add_endpoint(
        agency=Agency.objects.get(code="PAYING"), url="https://example.com/", **WHO
    )
    send_test_event(endpoint=endpoint, **WHO)
    with transaction.atomic():
        announce_pauses([endpoint], now=WHO["now"])


def fixed(body: str) -> str:
    """The body with the same ids, hashes and row numbers each time."""
    for pattern, replacement in VARYING.items():
        body = re.sub(pattern, replacement, body)
    return body
