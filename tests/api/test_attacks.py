"""What nobody sends who means well: refused in so many words, never a fault of ours."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from config.http.errors import CONTENT_TYPE, server_error
from core.scopes import api_scopes
from seats.models import Agency, Agent, Seat, SeatVersion
from tests.build import call, make_agency, make_agents, make_prices, make_seats, use
from tests.rollback import rolled_back

pytestmark = pytest.mark.django_db
JSON = "application/json"
SCOPES = list(api_scopes())
NOWHERE = "ffffffff-ffff-ffff-ffff-ffffffffffff"


def cursor(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


QUERIES = {
    "agencies": ["limit", "cursor"],
    "agents": ["limit", "cursor", "agency", "agent"],
    "seats": ["limit", "cursor", "agency", "agent", "on"],
    "invoices": ["limit", "cursor", "agency", "month", "status", "kind"],
    "invoices/preview": ["month", "agency"],
    f"invoices/{NOWHERE}/lines": ["limit", "cursor"],
    "payments": ["limit", "cursor", "agency", "processor"],
    "payment-attempts": ["limit", "cursor", "agency", "invoice", "state"],
    "payment-methods": ["limit", "cursor", "agency"],
    "statement": ["agency", "from", "to"],
    "price-list": ["currency", "month"],
    "authorize": ["agency"],
    "budgets": ["limit", "cursor", "agency"],
    "webhook-endpoints": ["limit", "cursor"],
    "webhook-events": ["limit", "cursor", "agency", "type", "since"],
}
# Each is wrong wherever it stands.
WRONG = [
    "-1", "1e3", "9" * 400, "x" * 5_000, "\0", "\n", "\u0663", "\u202e", "\ud800",
    "0000-00", "2026-13", "10000-01", "-001-01", "\u0662\u0660\u0662\u0666-\u0660\u0663",
    "0001-01-01T00:00:00", "\uff35\uff33\uff24", "'; --", cursor("p=abc"),
    cursor("p=" + "9" * 30), cursor("p=\0"), cursor("o=" + "9" * 5_000), cursor("r=x"),
]  # fmt: skip
BODIES = {
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "null": b"null",
    "list of lists": b"[[]]",
    "bad UTF-8": b'{"agent": "\xff"}',
    "lone surrogate": b'{"agent": "\\ud800"}',
    "NUL": b'{"agent": "\\u0000", "reason": "\\u0000"}',
    "NaN": b'{"agent": NaN}',
    "400 digits": b'{"agent": ' + b"9" * 400 + b"}",
    "5000 digits": b'{"agent": ' + b"9" * 5_000 + b"}",
    "huge exponent": b'{"agent": 1e99999999999999999999}',
    "an object for a name": b'{"agent": {"a": 1}, "reason": []}',
    "year 1": b'{"agent": "ben", "on": "0001-01-01", "reason": "x"}',
    "a time for a date": b'{"agent": "ben", "on": "2026-03-01T00:00:00Z"}',
    "a number for a date": b'{"agent": "ben", "on": 20260301}',
    "a week for a date": b'{"agent": "ben", "on": "2026-W10-1"}',
    "a line after a date": b'{"agent": "ben", "on": "2026-03-01\\n"}',
    "odd digits in a date": '{"agent": "ben", "on": "2026-03-\u0660\u0661"}'.encode(),
    "a field misspelt": b'{"agent": "ben", "onn": "2026-03-01", "reason": "x"}',
    "too large": b" " * 9_000_000,
}
SCENARIOS = {
    "NUL for a currency": {"currency": "\0"},
    "a path for a zone": {"timezone": "../../etc/passwd"},
    "a folder for a zone": {"timezone": "Europe"},
    "NUL for a zone": {"timezone": "\0"},
    "a long zone": {"timezone": "a" * 5_000},
    "year 1": {"month": "0001-01"},
    "year 9999": {"month": "9999-12"},
    "odd digits in a month": {"month": "\u0662\u0660\u0662\u0666-\u0660\u0663"},
    "year 1, going west": {
        "seats": [{"agent": "a", "added_at": "0001-01-01T00:00:00+14:00"}],
        "timezone": "America/New_York",
    },
    "NaN": {"usage": [{"meter": "voice.out", "quantity": "NaN"}]},
    "400 digits": {"usage": [{"meter": "voice.out", "raw": ["9" * 400]}]},
    "negative": {"usage": [{"meter": "voice.out", "raw": [-1]}]},
    "a huge price": {"price_list": {"currency": "USD", "seat_price": "1e999999"}},
}
ODD_HEADERS = [
    {"authorization": "Bearer " + "x" * 60_000},
    {"authorization": "Bearer \xff"},
    {"authorization": "Basic YTpi"},
    {"content-length": "abc"},
    {"content-encoding": "gzip"},
    {"accept": "\xff;;q=x"},
    {"host": "evil.example"},
    {"content-type": "application/json;" * 1_000},
    {"content-type": "multipart/form-data"},
    {"content-type": "application/x-www-form-urlencoded"},
]
ACTIONS = ["remove", "hand-over", "transfer", "cancel", "reopen"]


def refused(answer: Any) -> bool:
    """Whether an answer says in so many words what was wrong with the request."""
    return (
        400 <= answer.status_code < 500
        and answer["Content-Type"] == "application/problem+json"
        and bool(answer.json()["code"])
    )


@pytest.fixture(scope="module")
def agency(module_rows: None) -> Agency:
    make_prices()
    top = make_agency("TOP")
    make_seats(top, "ana")
    make_agents(top, "ben")
    make_seats(make_agency("OTHER"), "zoe")
    use(call("TOP"))
    return top


@pytest.fixture
def clients(caller: Callable[..., Client], agency: Agency) -> list[Client]:
    """Callers with the key of an agency and of the platform, and one without."""
    callers = [caller(agency, SCOPES), caller(None, SCOPES), Client()]
    for client in callers:
        client.raise_request_exception = False
    return callers


def test_queries_that_are_wrong_are_refused_or_find_nothing(clients):
    for path, names in QUERIES.items():
        for name in names:
            for value in WRONG:
                text = quote(value, errors="surrogatepass")
                for client in clients:
                    answer = client.get(f"/api/v1/{path}?{name}={text}")

                    rows = not refused(answer) and answer.json()["results"]
                    assert not rows, (path, name, value[:40], answer.content)


@pytest.mark.parametrize(
    "path",
    ["agencies", "agents", "seats", "invoices", "usage-events", "payments", "statement",
     "budgets", "webhook-endpoints", "webhook-events"],
)  # fmt: skip
def test_a_parameter_that_is_misspelt_is_not_passed_over(clients, path):
    answer = clients[0].get(f"/api/v1/{path}?agencie=A")

    assert (answer.status_code, answer.json()["field"]) == (400, "agencie")


@pytest.mark.parametrize("limit", ["0", "-1", "abc", "1.5", "", "\u0663", "9" * 400])
def test_a_limit_is_a_number_above_0(clients, limit):
    answer = clients[0].get("/api/v1/agencies", {"limit": limit})

    assert (answer.status_code, answer.json()["field"]) == (400, "limit")
    assert clients[0].get("/api/v1/agencies?limit=99999").status_code == 200


@pytest.mark.parametrize(
    "text", ["", "p=abc", "p=-1", "p=1.5", "p=\0", "p=" + "9" * 30, "o=x", "r=1"]
)
def test_a_cursor_is_one_that_we_gave(clients, text):
    for payload in (cursor(text), f"%{text}"):
        answer = clients[0].get("/api/v1/agents", {"cursor": payload})

        assert (answer.status_code, answer.json()["field"]) == (400, "cursor")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_that_are_wrong_change_nothing(clients, body):
    seat = Seat.objects.get(agency__code="TOP").public_id
    before = SeatVersion.objects.count(), Agent.objects.count()
    paths = [
        "agents", "seats", *(f"seats/{seat}/{action}" for action in ACTIONS),
        "payments", "payment-methods", "payment-attempts",
        f"invoices/{NOWHERE}/payment-page", "budgets", "webhook-endpoints", "webhook-events/replay",
    ]  # fmt: skip
    for path in paths:
        for client in clients:
            with rolled_back():
                answer = client.generic("POST", f"/api/v1/{path}", body, JSON)

                assert refused(answer), (path, answer.status_code, answer.content[:200])
                assert before == (SeatVersion.objects.count(), Agent.objects.count())


@pytest.mark.parametrize("payload", SCENARIOS.values(), ids=SCENARIOS)
def test_quotes_that_are_wrong_are_refused(clients, payload):
    prices = {"currency": "USD", "seat_price": "50"}
    answers = [
        clients[2].post("/api/v1/quote", json.dumps(scenario), content_type=JSON)
        for scenario in (
            {"month": "2026-03", **payload},
            {"month": "2026-03", "price_list": prices, **payload},
        )
    ]

    assert refused(answers[0]), answers[0].content
    assert answers[1].status_code < 500


@pytest.mark.parametrize("headers", ODD_HEADERS, ids=str)
def test_headers_that_are_wrong_are_refused(clients, headers):
    for path in ("agents", "seats", "usage-events", "quote"):
        kind = headers.get("content-type", JSON)
        extra = {k: v for k, v in headers.items() if k != "content-type"}

        answer = clients[0].generic(
            "POST", f"/api/v1/{path}", b'{"a": 1}', kind, headers=extra
        )

        verdicts = answer.status_code == 200 and answer.json()["rejected"] == 1
        assert refused(answer) or verdicts, (path, answer.content)


@pytest.mark.parametrize(
    "path",
    ["nope", "seats/0/remove", "seats/%00/cancel", f"seats/{'a' * 9_000}/remove",
     f"seats/{NOWHERE}/remove", f"invoices/{NOWHERE}", "invoices/%ff", "seats/"],
)  # fmt: skip
def test_what_is_not_there_is_said_in_one_way(clients, path):
    answers = [
        clients[0].get(f"/api/v1/{path}"),
        clients[0].post(f"/api/v1/{path}", {}, content_type=JSON),
    ]

    assert all(refused(answer) for answer in answers)
    assert {answer.status_code for answer in answers} <= {404, 405}


def test_a_page_that_is_not_there_is_a_page(client):
    answer = client.get("/nope")

    assert (answer.status_code, answer["Content-Type"][:9]) == (404, "text/html")
    assert client.get(reverse("account_login")).status_code == 200


def test_no_field_reaches_another_agency(clients):
    seat = Seat.objects.get(agency__code="TOP").public_id
    other = Seat.objects.get(agency__code="OTHER").public_id
    payload: list[tuple[str, dict[str, Any]]] = [
        ("agents", {"agency": "OTHER", "external_id": "x", "name": "X"}),
        ("seats", {"agency": "OTHER", "agent": "zoe"}),
        ("seats", {"agent": "zoe"}),
        (f"seats/{seat}/hand-over", {"agent": "zoe"}),
        (f"seats/{seat}/hand-over", {"agent": "zoe", "agency": "OTHER"}),
        (f"seats/{seat}/transfer", {"agent": "zoe", "agency": "OTHER"}),
        (f"seats/{other}/transfer", {"agent": "ben", "agency": "TOP"}),
        *((f"seats/{other}/{action}", {"reason": "x"}) for action in ACTIONS),
    ]

    for path, body in payload:
        answer = clients[0].post(f"/api/v1/{path}", body, content_type=JSON)
        nobody = json.loads(json.dumps(body).replace("OTHER", "NONE"))
        gone = path.replace(str(other), NOWHERE)
        same = clients[0].post(f"/api/v1/{gone}", nobody, content_type=JSON)

        assert refused(answer), (path, body)
        assert answer.content == same.content
    assert SeatVersion.objects.count() == 2


def test_names_that_no_event_could_use_are_refused(clients):
    for payload in ({"external_id": "a\u202eb", "name": "A"},
                 {"external_id": "a", "name": "A\tB"}):  # fmt: skip
        answer = clients[0].post("/api/v1/agents", payload, content_type=JSON)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_an_address_is_not_what_a_header_says(agency, client, clock, settings, broker):
    settings.REDIS_URL = broker
    settings.API_REQUESTS_A_MINUTE = 2

    answers = [
        client.get("/api/v1/price-list", headers={"x-forwarded-for": f"10.0.0.{n}"})
        for n in range(3)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_what_no_route_saw_and_our_own_faults_are_problems_too(client, rf):
    elsewhere = client.get("/api/v1/agencies", headers={"host": "evil.example"})
    fault = server_error(rf.get("/api/v1/agencies"))
    page = server_error(rf.get("/admin/"))

    assert (elsewhere.status_code, elsewhere.json()["code"]) == (400, "bad_request")
    assert (fault.status_code, fault["Content-Type"]) == (500, CONTENT_TYPE)
    assert page["Content-Type"].startswith("text/html")
