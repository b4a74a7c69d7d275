"""Whatever is sent to any route: an answer as described, never a fault of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from config.wsgi import application
from seats.keys.models import ApiKey
from seats.keys.services import create_key
from tests.api.conftest import NOW
from tests.build import make_agency, make_prices, make_seats
from tests.rollback import rolled_back

CHECKS = [not_a_server_error, response_schema_conformance]


def described() -> Any:
    """The schema as it is served, without asking a database."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    schema = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    loaded = schemathesis.openapi.from_dict(schema)
    loaded.app = application
    return loaded


schema = described()


@pytest.fixture
def one_connection(db) -> Iterator[None]:
    """A request leaves the test's connection, and its transaction, open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def token(one_connection, clock, settings) -> str:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    scopes = [str(scope) for scope in ApiKey.Scope]
    return create_key(agency=agency, scopes=scopes, actor="test", now=NOW)[1]


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_route_answers_as_described(
    token: str, case: schemathesis.Case[Any]
) -> None:
    with rolled_back():
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"}, checks=CHECKS
        )
