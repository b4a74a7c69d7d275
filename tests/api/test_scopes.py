"""Every operation of the API description: the scope it requires, and how far it reaches."""

import itertools
import json
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.urls import URLResolver, get_resolver

from core.scopes import api_scopes
from seats.agencies.services import set_upline
from seats.models import Agency
from tests.api.conftest import NOW
from tests.api.grants import TODAY
from tests.build import MARCH, MARCH_1, make_agency, make_agents
from tests.rollback import rolled_back
from tests.staff import snapshot

pytestmark = pytest.mark.django_db
SCOPES = list(api_scopes())
NOWHERE = "ffffffff-ffff-ffff-ffff-ffffffffffff"
PUBLIC = {
    ("get", "/api/v1/price-list"),
    ("post", "/api/v1/quote"),
    ("post", "/api/v1/processors/{code}/webhook"),
}
# What the scope of a route is about, where that is not the first word of its path.
SUBJECTS = {
    "agencies": "seats", "agents": "seats", "usage-events": "usage",
    "dial-plan": "usage",
    "payment-attempts": "payments", "payment-methods": "payments",
    "payment-page": "payments", "statement": "payments", "dunning": "payments",
    "webhook-endpoints": "webhooks", "webhook-events": "webhooks",
}  # fmt: skip
# A value of each format that a description names, and of the names that need another.
VALUES: dict[str, Any] = {
    "date": TODAY.isoformat(), "date-time": NOW.isoformat(), "decimal": "1",
    "uuid": NOWHERE, "agency": "SIBLING", "agent": "ana", "currency": "USD",
    "meter": "voice.out", "month": "2026-03", "url": "https://hooks.example.com/",
}  # fmt: skip
WRONG = {"misspelt": "\0"}
# A name that another agency has, and one that nobody has, by field.
NAMES = {"agency": ("SUNRISE", "NOWHERE"), "agent": ("agent-1", "nobody1")}


class Operation(NamedTuple):
    """A method of a path, what it requires, and every field that it takes."""

    method: str
    path: str
    required: dict[str, Any]
    fields: dict[str, Any]
    has_body: bool

    @property
    def scope(self) -> str:
        words = self.path.split("/")[3:]
        named = [SUBJECTS[word] for word in words if word in SUBJECTS]
        subject = named[-1] if named else words[0]
        return f"{subject}:{'read' if self.method == 'get' else 'write'}"

    def paths(self, *ids: str) -> list[str]:
        """Its path for each id; for the first lines of a document, each of them."""
        filled = [self.path.replace("{public_id}", public_id) for public_id in ids]
        lines = range(1, 4)
        every = [path.replace("{position}", str(n)) for path in filled for n in lines]
        return list(dict.fromkeys(every))

    def send(self, client: Any, path: str, **fields: Any) -> Any:
        """The answer to it, with these fields beside the required ones."""
        content = {**self.required, **fields}
        if not self.has_body:
            return getattr(client, self.method)(path, query_params=content)
        return getattr(client, self.method)(
            path, json.dumps(content), content_type="application/json"
        )


@pytest.fixture
def operations(client) -> list[Operation]:
    """Those that need a key, from the description as it is served."""
    schema = client.get("/api/schema/?format=json").json()
    return [
        _operation(schema, method, path, entry)
        for path, entries in schema["paths"].items()
        for method, entry in entries.items()
        if (method, path) not in PUBLIC
    ]


@pytest.fixture
def client_of(everything, caller):
    """Makes callers; SUNRISE has a row of everything, SIBLING is beside it."""
    root, sibling = make_agency("ROOT"), make_agency("SIBLING")
    sunrise = Agency.objects.get(code="SUNRISE")
    make_agents(sibling, "ana")
    for agency in (sunrise, sibling):
        set_upline(agency=agency, upline=root, on=MARCH, now=MARCH_1, actor="test")
    agencies = {"SUNRISE": sunrise, "SIBLING": sibling, "": None}

    def make(code: str, scopes: Any = SCOPES) -> Any:
        client = caller(agencies[code], scopes)
        client.get("/api/v1/agencies")  # the use of a key is recorded once an hour
        return client

    return make


class TestScopes:
    def test_are_those_of_every_route(self, client):
        schema = client.get("/api/schema/?format=json").json()
        routes = {
            str(route.pattern)
            for resolver in get_resolver().url_patterns
            if isinstance(resolver, URLResolver) and str(resolver.pattern) == "api/v1/"
            for route in resolver.url_patterns
        }
        keyless = {
            (method, path)
            for path, entries in schema["paths"].items()
            for method, entry in entries.items()
            if {} in entry.get("security", [{}])
        }

        assert len(schema["paths"]) == len(routes)
        assert keyless == PUBLIC

    def test_are_required_by_every_operation(self, client_of, operations):
        """Some are the platform's alone, so only its keys show what a scope opens."""
        assert {operation.scope for operation in operations} == set(SCOPES)
        for required in SCOPES:
            alone = client_of("", [required])
            others = client_of("", [scope for scope in SCOPES if scope != required])
            for operation in operations:
                is_required = operation.scope == required
                for client, is_open in (
                    (alone, is_required),
                    (others, not is_required),
                ):
                    with rolled_back():
                        answer = operation.send(client, operation.paths(NOWHERE)[0])
                    assert is_denied(answer) != is_open, (operation, required)

    def test_are_asked_for_before_anything_else(self, client_of, operations):
        ids = [*ids_of_everything(), NOWHERE]
        lacking = {
            (code, scope): client_of(code, [kept for kept in SCOPES if kept != scope])
            for scope in SCOPES
            for code in ("SUNRISE", "")
        }
        before = snapshot()
        for operation in operations:
            for path in operation.paths(*ids):
                for code, wrong in itertools.product(("SUNRISE", ""), ({}, WRONG)):
                    client = lacking[code, operation.scope]
                    answer = operation.send(client, path, **wrong)
                    assert is_denied(answer), (operation, answer.content)
                    assert operation.scope in answer.json()["detail"]

        assert snapshot() == before

    def test_are_not_enough_where_only_the_platform_may(self, client_of, operations):
        client = client_of("SUNRISE")
        closed = set()
        for operation in operations:
            with rolled_back():
                answer = operation.send(client, operation.paths(NOWHERE)[0])
            if is_denied(answer):
                closed.add(operation.path.removeprefix("/api/v1/"))
                assert "key of the platform" in answer.json()["detail"]

        assert closed == {
            "payments", "payments/{public_id}/refunds", "payment-attempts",
        }  # fmt: skip


class TestReach:
    def test_another_agencys_ids_are_like_unknown_ids(self, client_of, operations):
        client, platform = client_of("SIBLING"), client_of("")
        ids = ids_of_everything()
        for operation in operations:
            if "{public_id}" not in operation.path:
                continue
            (unknown,) = {
                content_of(operation.send(client, path))
                for path in operation.paths(NOWHERE)
            }
            assert unknown[0] == 404 or b"key of the platform" in unknown[1], operation
            there = set()
            for path in operation.paths(*ids):
                assert content_of(operation.send(client, path)) == unknown, path
                with rolled_back():
                    there.add(operation.send(platform, path).status_code)
            assert there != {404}, operation

    def test_no_field_tells_another_agencys_names_and_ids(self, client_of, operations):
        client = client_of("SIBLING")
        ids = ids_of_everything()
        for operation in operations:
            path = operation.paths(NOWHERE)[0]
            for name, field in operation.fields.items():
                if field.get("format") == "uuid":
                    pairs = [(public_id, NOWHERE) for public_id in ids]
                else:
                    pairs = [NAMES[name]] if name in NAMES else []
                for foreign, unknown in pairs:
                    answers = []
                    for value in (foreign, unknown):
                        with rolled_back():
                            answer = operation.send(client, path, **{name: value})
                            answers.append(content_of(answer, value))
                    assert answers[0] == answers[1], (operation, name, foreign)


def is_denied(answer: Any) -> bool:
    """Whether the key may not do this, whatever it is done to."""
    return bool(answer.status_code == 403) and "permission_denied" in str(answer.json())


def content_of(answer: Any, name: str = NOWHERE) -> tuple[int, bytes]:
    """Status and body, without the name that was sent."""
    return answer.status_code, answer.getvalue().replace(name.encode(), b"...")


def ids_of_everything() -> list[str]:
    """An id of each kind of row that has a public id, of SUNRISE where it may be."""
    ids = []
    for kind in apps.get_models():
        names = {field.name for field in kind._meta.get_fields()}
        rows = kind._default_manager.order_by("pk")
        for owner in names & {"payer", "agency"}:
            rows = rows.filter(**{f"{owner}__code": "SUNRISE"})
        if "public_id" in names and (row := rows.first()):
            ids.append(str(row.public_id))  # type: ignore[attr-defined]
    return ids


def _operation(schema: Any, method: str, path: str, entry: Any) -> Operation:
    body = entry.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        described = _resolved(schema, body["schema"])
        fields, required = described["properties"], described.get("required", [])
    else:
        params = [row for row in entry.get("parameters", []) if row["in"] == "query"]
        fields = {row["name"]: row["schema"] for row in params}
        required = [row["name"] for row in params if row.get("required")]
    content = {name: _value(name, fields[name]) for name in required}
    return Operation(method, path, content, fields, bool(body))


def _resolved(schema: Any, part: Any) -> Any:
    """The description of an object, where there may be many the one."""
    if "$ref" in part:
        return _resolved(schema, schema["components"]["schemas"][part["$ref"][21:]])
    return _resolved(schema, part["oneOf"][0]) if "oneOf" in part else part


def _value(name: str, field: dict[str, Any]) -> Any:
    for key in (name, field.get("format")):
        if key in VALUES:
            return VALUES[key]
    return field["enum"][0] if "enum" in field else "x"
