"""Whatever is sent to any route: an answer as described, never a fault of ours."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from billing.budgets.models import Budget
from billing.budgets.services.alerts import check_budgets
from billing.budgets.services.budgets import add_budget
from billing.invoicing.models.documents import Document
from billing.webhooks.models import WebhookEndpoint
from billing.webhooks.services.endpoints import add_endpoint
from config.wsgi import application
from core.scopes import api_scopes
from seats.api_keys.services import create_key
from seats.models import Seat
from tests.api.conftest import NOW
from tests.build import bill, make_agency, make_prices, make_seats
from tests.laws import examples
from tests.rollback import rolled_back

FEBRUARY = date(2026, 2, 1)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]


def described() -> Any:
    """The schema as it is served, without asking a database."""
    generator = SchemaGenerator()
    schema = generator.get_schema(public=True)
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


@pytest.fixture(scope="module")
def key(module_rows: None, issued_at_once: None) -> str:
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", on=FEBRUARY)
    bill(FEBRUARY)
    add_endpoint(agency=agency, url="https://hooks.example.com", actor="test", now=NOW)
    add_budget(agency=agency, amount=Decimal(9), hard=True, actor="test", now=NOW)
    check_budgets(now=NOW)
    scopes = list(api_scopes())
    return create_key(agency=agency, scopes=scopes, actor="test", now=NOW)[1]


@pytest.fixture
def token(key: str, one_connection, clock, settings) -> str:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    return key


def name_what_is_there(case: schemathesis.Case[Any]) -> None:
    """An id of the right shape is that of a row, so that there is something to do."""
    public_id = str((case.path_parameters or {}).get("public_id"))
    with suppress(ValueError):
        UUID(public_id)
        rows: dict[str, Any] = {
            "budgets": Budget,
            "invoices": Document,
            "webhook-endpoints": WebhookEndpoint,
        }
        kind = rows.get(case.path.split("/")[3], Seat)
        case.path_parameters["public_id"] = str(kind.objects.get().public_id)


@schema.parametrize()  # type: ignore[untyped-decorator]
@examples(8)
def test_every_route_answers_as_described(
    token: str, case: schemathesis.Case[Any]
) -> None:
    name_what_is_there(case)
    with rolled_back():
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"}, checks=CHECKS
        )


def test_a_quote_with_something_in_it_answers_as_described(token: str) -> None:
    scenario = {
        "month": "2026-03",
        "seats": [{"agent": "ana", "added_at": "2026-03-10"}],
        "usage": [{"meter": "voice.out", "raw": [45, 135]}],
    }
    case = schema["/api/v1/quote"]["POST"].Case(
        body=scenario, media_type="application/json"
    )

    answer = case.call_and_validate(checks=CHECKS)

    assert answer.status_code == 200
    assert len(answer.json()["lines"]) == 2
