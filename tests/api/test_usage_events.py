"""Posting usage: verdicts in order, and nothing that brings the service down."""

import gzip
import json
import re
import tracemalloc
from decimal import Decimal

import pytest
from django.db.models import Sum

import billing.urls
import seats.urls
from billing.metering.api.bodies import MOST_BYTES
from billing.metering.models import UsageDay, UsageEvent
from seats.agencies.services import set_upline
from tests.api.conftest import NOW
from tests.build import MARCH, make_agency, make_prices, make_seats

pytestmark = pytest.mark.django_db
PATH = "/api/v1/usage-events"
CLOUD = "application/cloudevents+json"
CLOUDS = "application/cloudevents-batch+json"


def event(**changes):
    payload = {
        "source": "/dialer/us-east-1",
        "id": "call-1",
        "agent": "ana",
        "meter": "voice.out",
        "quantity": 135,
        "occurred_at": "2026-03-06T14:42:48Z",
        "properties": {"dial_mode": "power"},
    }
    return {**payload, **changes}


def cloud_event(**changes):
    payload = {
        "specversion": "1.0",
        "id": "call-1",
        "source": "/dialer/us-east-1",
        "type": "voice.out",
        "subject": "ana",
        "time": "2026-03-06T09:42:48-05:00",
        "data": {"quantity": 135, "properties": {"dial_mode": "power"}},
    }
    return {**payload, **changes}


RAW = json.dumps(event())


@pytest.fixture(scope="module")
def agency(module_rows):
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    return agency


@pytest.fixture
def sunrise(caller, agency):
    return caller(agency)


def post(client, content, kind="application/json", **headers):
    body = content if isinstance(content, bytes | str) else json.dumps(content)
    return client.post(PATH, body, content_type=kind, headers=headers)


def codes(answer):
    assert answer.status_code == 200, answer.content
    return [result.get("code", result["status"]) for result in answer.json()["results"]]


class TestShapes:
    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (event(), "application/json"),
            ([event()], "application/json; charset=utf-8"),
            (cloud_event(), CLOUD),
            ([cloud_event()], CLOUDS),
        ],
    )
    def test_all_say_the_same(self, sunrise, content, kind):
        assert codes(post(sunrise, content, kind)) == ["accepted"]
        assert codes(post(sunrise, event())) == ["duplicate"]
        stored = UsageEvent.objects.get()
        assert (stored.raw, stored.billable) == (Decimal(135), Decimal(180))
        assert stored.agent
        assert (stored.agent.external_id, stored.breakdown) == ("ana", "power")

    def test_one_bad_event_never_costs_a_good_one(self, sunrise):
        answer = post(
            sunrise,
            [
                event(id="a"),
                event(id="b", meter="nope"),
                event(id="c", quantity="many"),
                event(id="d", occurred_at="2026-03-06T14:42:48"),
                event(id="e", agnet="ana"),
                7,
                event(id="a"),
                event(id="a", quantity=7),
                event(id="f", quantity="45.5"),
            ],
        )

        assert codes(answer) == [
            "accepted", "unknown_meter", "bad_event", "bad_event", "bad_event",
            "bad_event", "duplicate", "conflict", "accepted",
        ]  # fmt: skip
        body = answer.json()
        assert [body[k] for k in ("accepted", "duplicate", "rejected")] == [2, 1, 6]
        assert [result["index"] for result in body["results"]] == list(range(9))
        assert [result.get("field") for result in body["results"]][2:5] == [
            "quantity", "occurred_at", None,
        ]  # fmt: skip
        assert "agnet" in body["results"][4]["message"]

    @pytest.mark.parametrize("body", ['{"source": bad', '[{"source": bad', "", "nope"])
    def test_what_is_no_json_is_refused_as_a_whole(self, sunrise, body):
        answer = post(sunrise, body)

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")

    def test_an_empty_list_is_fine(self, sunrise):
        assert post(sunrise, []).json()["results"] == []


class TestCorrections:
    @pytest.mark.parametrize("together", [True, False])
    def test_that_name_an_event_beside_them_come_to_the_same(self, sunrise, together):
        payload = [
            event(id="b", quantity=900, supersedes="a"),
            event(id="rival", quantity=600, supersedes="a"),
            event(id="a", quantity=999),
        ]
        post(sunrise, event(id="c", quantity=180, supersedes="b"))  # waits for b

        bodies = [payload] if together else [[row] for row in payload]
        verdicts = [code for body in bodies for code in codes(post(sunrise, body))]

        assert verdicts == ["accepted", "superseded_already", "accepted"]
        assert UsageDay.objects.aggregate(sum=Sum("billable"))["sum"] == 180


class TestOneBadEvent:
    @pytest.mark.parametrize(
        ("text", "code", "field"),
        [
            (RAW.replace('"id"', '"id": "x", "id"'), "duplicate_key", "id"),
            (RAW.replace('"dial', '"dial_mode": "x", "dial'), "duplicate_key",
             "dial_mode"),
            (RAW.replace('"id"', '"\\u0069d": "x", "id"'), "duplicate_key", "id"),
            (RAW.replace('"id":', '"id" : "x", "id" :'), "duplicate_key", "id"),
            (RAW.replace("135", '"1_000"'), "bad_event", "quantity"),
            (RAW.replace("135", '"\N{FULLWIDTH DIGIT ONE}"'), "bad_event", "quantity"),
            (RAW.replace("135", '" 1"'), "bad_event", "quantity"),
            (RAW.replace("135", "null"), "bad_event", "quantity"),
            (RAW.replace("135", "[1]"), "bad_event", "quantity"),
            (RAW.replace("ana", "\0"), "bad_json", ""),
            (RAW.replace("ana", "\udcff"), "bad_json", ""),
            (RAW.replace("135", "tru"), "bad_json", ""),
            (RAW.replace("135", "\0 135"), "bad_json", ""),
            (RAW.replace('"power"', "[" * 99 + "]" * 99), "too_deep", ""),
            (RAW.replace('"power"', "[" * 9_000 + "]" * 9_000), "too_deep", ""),
            (RAW.replace("power", "x" * 70_000), "event_too_large", ""),
            ("7", "bad_event", ""),
        ],
    )  # fmt: skip
    def test_of_thousands_costs_only_itself(self, sunrise, text, code, field):
        good = [json.dumps(event(id=f"c{n}")).encode() for n in range(1_000)]
        good[777] = text.encode(errors="surrogateescape")

        answer = post(sunrise, b"[" + b",".join(good) + b"]")

        refused = answer.json()["results"].pop(777)
        assert answer.json()["accepted"] == 999
        assert (refused["code"], refused.get("field", "")) == (code, field)

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("\0", "bad_json"),
            ("\udcff", "bad_json"),
            ('x", "subject": "y', "duplicate_key"),
        ],
    )
    def test_costs_no_other_cloud_event(self, sunrise, text, code):
        good = [json.dumps(cloud_event(id=f"c{n}")).encode() for n in range(3)]
        good[1] = good[1].replace(b"ana", text.encode(errors="surrogateescape"))

        answer = post(sunrise, b"[" + b",".join(good) + b"]", CLOUDS)

        assert codes(answer) == ["accepted", code, "accepted"]

    @pytest.mark.parametrize("body", [b"[,]", b"[1,,2]", b"[" + b"," * 10**6 + b"]"])
    def test_is_something(self, sunrise, body):
        answer = post(sunrise, body)

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")


class TestReach:
    def test_out_of_reach_looks_as_if_it_were_not_there(self, caller):
        make_prices()
        top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
        set_upline(agency=below, upline=top, on=MARCH, now=NOW, actor="test")

        answer = post(
            caller(top),
            [event(id=code, agency=code, agent=None) for code in
             ("TOP", "BELOW", "OTHER", "NOBODY")],
        )  # fmt: skip

        results = answer.json()["results"]
        assert codes(answer)[:2] == ["accepted", "accepted"]
        assert results[2]["code"] == results[3]["code"] == "unknown_agency"
        assert (
            results[2]["message"].replace("OTHER", "NOBODY") == (results[3]["message"])
        )
        assert not UsageEvent.objects.filter(agency=other).exists()

    def test_keys_of_two_agencies_have_ids_of_their_own(self, caller):
        make_prices()
        clients = [caller(make_agency(code)) for code in ("ONE", "TWO")]

        answers = [post(client, event(agent=None)) for client in clients]

        assert [codes(answer) for answer in answers] == [["accepted"], ["accepted"]]


class TestLimits:
    def test_too_many_events(self, sunrise):
        answer = post(sunrise, [event()] * 10_001)

        assert (answer.status_code, answer.json()["code"]) == (413, "too_many_events")

    def test_too_many_bytes(self, sunrise):
        answer = post(sunrise, b" " * (MOST_BYTES + 1))

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    @pytest.mark.parametrize("kind", ["text/plain", "application/xml", "nonsense"])
    def test_other_types(self, sunrise, kind):
        assert post(sunrise, "{}", kind).status_code == 415

    def test_compressed(self, sunrise):
        bomb = gzip.compress(b" " * 50_000_000)

        answer = post(sunrise, bomb, **{"content-encoding": "gzip"})

        assert answer.status_code == 415

    def test_too_often(self, sunrise, settings, broker):
        settings.REDIS_URL = broker
        settings.API_REQUESTS_A_MINUTE = 2

        answers = [post(sunrise, event()) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2]["Retry-After"]) <= 61
        assert answers[2].json()["code"] == "throttled"


NASTY = {
    "not JSON": "nonsense",
    "nothing": "",
    "bad UTF-8": b'{"source": "\xff"}',
    "deep list": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
    "deep properties": RAW.replace('"power"', "[" * 5_000 + "]" * 5_000),
    "NUL": RAW.replace("power", "\\u0000"),
    "NUL in a name": RAW.replace("ana", "\\u0000"),
    "NUL in a property": RAW.replace('"dial_mode"', '"\\u0000"'),
    "lone surrogate": RAW.replace("ana", "\\ud800"),
    "lone surrogate in a property": RAW.replace('"dial_mode"', '"\\udfff"'),
    "tab in an id": RAW.replace("call-1", "a\\tb"),
    "NaN": RAW.replace("135", "NaN"),
    "NaN as text": RAW.replace("135", '"NaN"'),
    "sNaN": RAW.replace("135", '"sNaN"'),
    "infinity": RAW.replace("135", '"-Infinity"'),
    "negative": RAW.replace("135", "-1"),
    "negative zero": RAW.replace("135", '"-0"'),
    "400 digits": RAW.replace("135", "9" * 400),
    "400 places": RAW.replace("135", "0." + "1" * 400),
    "huge exponent": RAW.replace("135", "1e999999"),
    "beyond exponents": RAW.replace("135", '"1e9999999999999999999999"'),
    "tiny exponent": RAW.replace("135", "1e-999999"),
    "naive": RAW.replace("48Z", "48"),
    "leap second": RAW.replace("48Z", "60Z"),
    "year 1": RAW.replace("2026-03", "0001-01").replace("48Z", "48+14:00"),
    "year 9999": RAW.replace("2026-03", "9999-12").replace("-06T", "-31T"),
    "end of time": RAW.replace("2026-03-06T14:42:48Z", "9999-12-31T23:59:59-14:00"),
    "a day too many": RAW.replace("03-06", "02-30"),
    "null": "null",
    "number": "7",
    "duplicate keys": RAW.replace('"id"', '"id": "x", "id"'),
    "properties a list": RAW.replace('{"dial_mode": "power"}', "[]"),
    "mode a number": RAW.replace('"power"', "7"),
    "huge integer property": RAW.replace('"power"', '"x", "n": ' + "9" * 5_000),
    "huge float property": RAW.replace('"power"', '"x", "n": 1e999'),
    "long id": RAW.replace("call-1", "x" * 201),
    "empty id": RAW.replace("call-1", ""),
    "formula": RAW.replace("ana", "=cmd|' /C calc'!A0"),
}


class TestNasty:
    @pytest.mark.parametrize("body", NASTY.values(), ids=NASTY)
    def test_gets_a_verdict_or_a_problem(self, sunrise, body):
        answer = post(sunrise, body)

        assert answer.status_code in {200, 400}
        if answer.status_code == 200:
            (result,) = answer.json()["results"]
            assert result["status"] in {"accepted", "rejected"}
            assert UsageEvent.objects.count() == (result["status"] == "accepted")
        else:
            assert answer.json()["code"]

    @pytest.mark.parametrize("body", NASTY.values(), ids=NASTY)
    def test_never_costs_its_neighbours(self, sunrise, body):
        text = body if isinstance(body, bytes) else body.encode()
        good = json.dumps(event(id="good")).encode()

        answer = post(sunrise, b"[" + good + b"," + text + b"]")

        if answer.status_code == 200:
            assert codes(answer)[0] == "accepted"
        else:
            assert answer.status_code == 400

    def test_takes_no_more_memory_than_its_size_allows(self, sunrise):
        body = b"[" * (MOST_BYTES - 1)
        tracemalloc.start()

        answer = post(sunrise, body)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.status_code == 400
        assert peak < 6 * MOST_BYTES


class TestPreview:
    def test_a_posted_call_shows_in_the_next_invoice(self, sunrise):
        post(sunrise, event())

        (document,) = sunrise.get("/api/v1/invoices/preview?month=2026-03").json()

        assert document["payer"] == "SUNRISE"
        assert [line["meter"] for line in document["lines"]] == [None, "voice.out"]
        assert document["total"] == "50.05"

    @pytest.mark.parametrize("month", ["", "2026", "2026-13", "9999-12", "x" * 99])
    def test_refuses_what_is_no_month(self, sunrise, month):
        answer = sunrise.get(f"/api/v1/invoices/preview?month={month}")

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_month")


class TestDescription:
    def test_every_route_is_described(self, client):
        answer = client.get("/api/schema/?format=json")

        routes = [*seats.urls.urlpatterns, *billing.urls.urlpatterns]
        assert set(answer.json()["paths"]) == {
            "/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(route.pattern))
            for route in routes
        }
        assert "ApiKey" in answer.json()["components"]["securitySchemes"]

    def test_problems_are_described_once_and_named_by_every_route(self, client):
        body = client.get("/api/schema/?format=json").json()

        for path in body["paths"].values():
            for operation in path.values():
                answers = {
                    status: answer.get("$ref", "")
                    for status, answer in operation["responses"].items()
                    if status >= "400"
                }
                assert {"400", "404", "422", "429"} <= set(answers)
                assert ("401" in answers) == ("security" in operation)
                assert ("415" in answers) == ("requestBody" in operation)
                for ref in answers.values():
                    part = body["components"]["responses"][ref.rpartition("/")[2]]
                    (content,) = part["content"].values()
                    assert content["schema"]["$ref"].endswith("/Problem")

    def test_the_page_loads_nothing_from_elsewhere(self, client):
        page = client.get("/api/docs/").content.decode()

        assert "/static/drf_spectacular_sidecar/" in page
        assert "https://" not in page.replace("https://www.w3.org", "")
