"""Endpoints on loopback, and a clock that a test moves."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from billing.webhooks.models import WebhookEndpoint
from billing.webhooks.services.fanout import fan_out_due
from seats.models import Agency
from tests.billing.webhooks.endpoints import make_endpoint
from tests.build import make_agency
from tests.receivers import Receiver, receiving


class Clock:
    """A clock that a test moves; it tells real time only to be a valid signature's."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loopback(settings: Settings) -> None:
    """Receivers of this machine are allowed, and not waited for long."""
    settings.WEBHOOKS = {
        **settings.WEBHOOKS,
        "ALLOW_LOOPBACK": True,
        "TIMEOUT": timedelta(seconds=0.6),
    }


@pytest.fixture
def receive(loopback: None) -> Iterator[Callable[..., Receiver]]:
    """Start receivers that end with the test."""
    with ExitStack() as open_ones:

        def start(*args: Any, **kwargs: Any) -> Receiver:
            return open_ones.enter_context(receiving(*args, **kwargs))

        yield start


@pytest.fixture
def agency(db: None) -> Agency:
    return make_agency()


@pytest.fixture
def receiver(receive: Callable[..., Receiver]) -> Receiver:
    return receive()


@pytest.fixture
def connected(
    receiver: Receiver, agency: Agency, clock: Clock
) -> tuple[WebhookEndpoint, str]:
    """An endpoint that takes everything, after what came before it."""
    fan_out_due(now=clock())
    return make_endpoint(receiver, agency, clock)


@pytest.fixture
def endpoint(connected: tuple[WebhookEndpoint, str]) -> WebhookEndpoint:
    return connected[0]


@pytest.fixture
def secret(connected: tuple[WebhookEndpoint, str]) -> str:
    return connected[1]
