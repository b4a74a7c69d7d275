"""A caller with a key."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from seats.keys.services import create_key

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
SCOPES = ["usage:write", "invoices:read"]


@pytest.fixture
def clock():
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def caller(db, clock, settings) -> Callable[..., Client]:
    """A client that sends the key of an agency, or of the platform."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody there: nobody is held up

    def make(agency: Any = None, scopes: Any = SCOPES) -> Client:
        _, token = create_key(agency=agency, scopes=scopes, actor="test", now=NOW)
        return Client(headers={"authorization": f"Bearer {token}"})

    return make
