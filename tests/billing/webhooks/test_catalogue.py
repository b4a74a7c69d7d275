"""What is told to the world: complete, small, and of nobody by name."""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import jsonschema
import msgspec
import pytest
from drf_spectacular.generators import SchemaGenerator

from billing.webhooks.domain.catalogue import (
    LARGEST_BODY,
    body_of,
    catalogue,
    data_of,
    describe,
)
from billing.webhooks.domain.webhook_events import EndpointPaused, EndpointTested
from billing.webhooks.models import OutboxEvent
from billing.webhooks.services.outbox import PLATFORM, publish
from core.openapi import schema_of
from core.webhook_events import Internal, Month, WebhookEvent, event_types
from tests.billing.webhooks.stories import play_everything
from tests.build import MARCH, MARCH_1

TEST, PAUSED = EndpointTested.event_type, EndpointPaused.event_type
MOON: dict[str, Any] = {"agency_id": PLATFORM, "subject": "moon:1"}
PEOPLE = ["somebody@example.com", "said on the phone", "Ana"]


@dataclass(frozen=True, kw_only=True)
class MoonEvent(WebhookEvent):
    """Something about the moon.

    `phase` is new, half or full.
    """

    phase: str


@dataclass(frozen=True, kw_only=True)
class MoonRose(MoonEvent):
    """The moon rose."""

    event_version = 2
    height: Decimal
    month: Month
    seen_by: Decimal | None = None
    observer: Internal[str]

    def __post_init__(self) -> None:
        """It has no type, so that the catalogue does not have it."""


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
        assert types == set(catalogue()) - {PAUSED, TEST}

    def test_has_no_event_without_a_type_of_its_own(self, db):
        with pytest.raises(TypeError, match="MoonEvent has no event_type"):
            publish(MoonEvent(**MOON, phase="full"), now=MARCH_1)
        with pytest.raises(
            TypeError, match=r"RunFinished already has .* run\.finished"
        ):
            type("Again", (WebhookEvent,), {"event_type": "run.finished"})

        assert event_types()["run.finished"].__name__ == "RunFinished"

    def test_is_made_of_the_declared_fields(self):
        entry = describe(MoonRose)
        schema = schema_of(entry.data)

        assert (entry.description, entry.version) == ("The moon rose.", 2)
        assert schema["description"] == "`phase` is new, half or full."
        assert list(schema["properties"]) == ["phase", "height", "month", "seen_by"]
        assert schema["required"] == ["phase", "height", "month"]
        assert schema["properties"]["height"] == {"type": "string"}

    def test_stores_what_it_does_not_deliver(self):
        rose = MoonRose(
            **MOON, phase="full", height=Decimal("5E+1"), month=MARCH, observer="Ana"
        )

        assert rose.payload() == {
            "phase": "full", "height": "50", "month": "2026-03-01", "seen_by": None,
            "observer": "Ana",
        }  # fmt: skip

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

    @pytest.mark.parametrize("event", event_types().values(), ids=event_types())
    def test_describes_each_event_in_sentences(self, event):
        entry = catalogue()[event.event_type]

        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", event.event_type)
        assert re.fullmatch(r"[A-Z][^|\n]+\.", entry.description)
        assert entry.data.__struct_fields__
