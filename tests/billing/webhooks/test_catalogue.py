"""What is told to the world: complete, small, and of nobody by name."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import msgspec
import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from billing.webhooks.domain.catalogue import (
    CATALOGUE,
    LARGEST_BODY,
    PAUSED,
    TEST,
    body_of,
    data_of,
)
from billing.webhooks.models import OutboxEvent
from billing.webhooks.services.outbox import NewEvent, publish
from tests.billing.webhooks.stories import play_everything
from tests.build import MARCH_1

DOCS = Path(__file__).resolve().parents[3] / "docs/webhooks.md"
PEOPLE = ["somebody@example.com", "said on the phone", "Ana"]


def body_of_row(event: OutboxEvent) -> bytes:
    return body_of(
        kind=event.type,
        payload=event.payload,
        at=event.occurred_at,
        public_id=event.public_id,
        agency=event.stream.agency.code if event.stream.agency else None,
        sequence=event.sequence,
        subject=event.subject,
    )


class TestCatalogue:
    def test_describes_every_event_of_a_played_story(self, db, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
        play_everything()
        described = SchemaGenerator().get_schema(public=True)["webhooks"]
        types = set()

        for event in OutboxEvent.objects.select_related("stream__agency"):
            body = body_of_row(event)
            schema = described[event.type]["post"]["requestBody"]["content"]
            jsonschema.validate(json.loads(body), schema["application/json"]["schema"])
            assert len(body) < LARGEST_BODY
            assert [name for name in PEOPLE if name in body.decode()] == []
            types.add(event.type)

        # the other two are told by endpoints, see test_holding.py
        assert types == set(CATALOGUE) - {PAUSED, TEST}

    def test_refuses_an_event_without_an_entry(self, db):
        event = NewEvent(None, "moon.risen", "moon:1", {})

        with pytest.raises(LookupError, match=r"moon\.risen"), transaction.atomic():
            publish([event], now=MARCH_1)

        assert not OutboxEvent.objects.filter(type="moon.risen").exists()

    def test_says_the_same_bytes_each_time(self):
        payload: dict[str, Any] = {
            "kind": TEST,
            "payload": {"endpoint": str(uuid4()), "actor": "somebody@example.com"},
            "at": MARCH_1,
            "public_id": uuid4(),
            "agency": "SUNRISE",
            "sequence": 7,
            "subject": "webhook_endpoint:1",
        }

        assert body_of(**payload) == body_of(**payload)
        assert body_of(**payload) != body_of(**payload | {"at": MARCH_1 + timedelta(1)})
        assert "example.com" not in body_of(**payload).decode()

    @pytest.mark.parametrize("month", ["2026-03-01", "2026-03"])
    def test_writes_a_month_as_the_api_does(self, month):
        body = data_of("run.finished", {"id": str(uuid4()), "month": month})

        assert msgspec.to_builtins(body)["month"] == "2026-03"

    def test_does_not_pass_on_what_has_another_shape(self):
        with pytest.raises(msgspec.ValidationError):
            data_of(TEST, {"endpoint": "not an id"})

    @pytest.mark.parametrize("name", CATALOGUE)
    def test_stands_in_the_page_that_people_read(self, name):
        kind = CATALOGUE[name]
        fields = ", ".join(f"`{field}`" for field in kind.data.__struct_fields__)

        assert f"| `{name}` | {kind.description} | {fields} |" in DOCS.read_text()
