"""A caller with a key."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from billing.webhooks.services.fanout import fan_out_due
from seats.api_keys.services import create_key
from tests.build import make_agency, make_prices, make_seats

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
SCOPES = ["usage:write", "invoices:read"]
GRANTING = [
    "webhooks:read", "webhooks:write", "budgets:read", "budgets:write",
    "authorize:read", "payments:read", "payments:write", "usage:write",
]  # fmt: skip


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


@pytest.fixture
def tree(db, settings):
    """An old upline with an agency below it, a new upline, and an agency that stays."""
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    make_prices()
    old, new = make_agency("OLD"), make_agency("NEW")
    agency, stays = (make_agency(code, upline=old) for code in ("MOVED", "STAYS"))
    make_seats(agency, "ana")
    fan_out_due(now=NOW)
    return old, new, agency, stays


@pytest.fixture
def upline_client(caller, tree):
    return caller(tree[0], GRANTING)


@pytest.fixture
def agency_client(caller, tree):
    return caller(tree[2], GRANTING)
