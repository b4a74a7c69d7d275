"""Endpoints and events by the API: who reaches what, and what is told once."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from billing.webhooks.models import Delivery, OutboxEvent, WebhookEndpoint
from billing.webhooks.services.deliveries import deliver_due
from billing.webhooks.services.endpoints import MOST_ENDPOINTS
from billing.webhooks.services.fanout import fan_out_due
from tests.api.conftest import NOW
from tests.build import make_agency, make_seats
from tests.receivers import receiving

ENDPOINTS, EVENTS = "/api/v1/webhook-endpoints", "/api/v1/webhook-events"
SCOPES = ["webhooks:read", "webhooks:write"]
URL = "https://hooks.example.com/in"


@pytest.fixture
def agency(db):
    return make_agency()


@pytest.fixture
def client(caller, agency):
    return caller(agency, SCOPES)


def post(client, path, **body):
    return client.post(path, body, content_type="application/json")


def add(client, **changes):
    answer = post(client, ENDPOINTS, **{"url": URL, **changes})
    assert answer.status_code == 201, answer.content
    return answer.json()


class TestEndpoints:
    def test_tell_their_secret_once(self, client):
        added = add(client, description="books", event_types=["invoice.issued"])

        assert added["secret"].startswith("whsec_")
        assert added["agency"] == "SUNRISE"
        (listed,) = client.get(ENDPOINTS).json()["results"]
        assert "secret" not in listed
        shown = client.get(f"{ENDPOINTS}/{added['id']}")
        assert added["secret"] not in shown.content.decode()
        assert listed == shown.json()
        assert shown.json()["event_types"] == ["invoice.issued"]

    def test_rotate_to_another_secret_with_a_day_of_both(self, client):
        added = add(client)

        rotated = post(client, f"{ENDPOINTS}/{added['id']}/rotate-secret").json()

        assert rotated["secret"] not in {added["secret"], None}
        until = (NOW + timedelta(hours=24)).isoformat().replace("+00:00", "Z")
        assert rotated["previous_until"] == until

    def test_change_pause_resume_and_go(self, client):
        path = f"{ENDPOINTS}/{add(client)['id']}"

        changed = client.patch(
            path, {"url": f"{URL}2", "event_types": []}, "application/json"
        )

        assert changed.json()["url"] == f"{URL}2"
        assert post(client, f"{path}/pause").json()["state"] == "paused"
        refused = post(client, f"{path}/test")
        assert (refused.status_code, refused.json()["code"]) == (
            422, "endpoint_not_enabled",
        )  # fmt: skip
        assert post(client, f"{path}/resume").json()["state"] == "enabled"
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == client.delete(path).status_code == 404
        assert WebhookEndpoint.objects.get().deleted_at == NOW

    @pytest.mark.parametrize(
        ("changes", "code"),
        [({"url": "http://hooks.example.com"}, "bad_url"),
         ({"url": "https://10.0.0.1/"}, "bad_url"),
         ({"url": "https://a\u0000b/"}, "invalid"),
         ({"event_types": ["moon.risen"]}, "unknown_event_type"),
         ({"colour": "red"}, "invalid"),
         ({"event_types": "all"}, "invalid")],
    )  # fmt: skip
    def test_refuse_what_cannot_be(self, client, changes, code):
        answer = post(client, ENDPOINTS, **{"url": URL, **changes})

        assert answer.status_code in {400, 422}
        assert code in {answer.json()["code"], "invalid"}
        assert not WebhookEndpoint.objects.exists()

    def test_are_not_without_end(self, client):
        for _ in range(MOST_ENDPOINTS):
            add(client)

        assert post(client, ENDPOINTS, url=URL).json()["code"] == "too_many_endpoints"

    def test_of_others_are_as_if_they_were_not(self, caller, agency):
        below, other = make_agency("BELOW", upline=agency), make_agency("OTHER")
        own = add(caller(agency, SCOPES))
        belows = add(caller(agency, SCOPES), agency="BELOW")
        platforms = add(caller(None, SCOPES))
        there = caller(other, SCOPES)

        assert there.get(ENDPOINTS).json()["results"] == []
        for endpoint in (own, belows, platforms):
            path = f"{ENDPOINTS}/{endpoint['id']}"
            answers = [
                there.get(path), there.delete(path),
                there.patch(path, {}, "application/json"),
                post(there, f"{path}/rotate-secret"), post(there, f"{path}/test"),
                post(there, f"{path}/pause"), post(there, f"{path}/resume"),
                post(there, f"{EVENTS}/replay", endpoint=endpoint["id"], since=1),
            ]  # fmt: skip
            missing = there.get(f"{ENDPOINTS}/{uuid4()}")
            assert {a.status_code for a in answers} == {404}
            assert {a.content for a in answers} == {missing.content}
        seen = caller(agency, SCOPES).get(ENDPOINTS).json()["results"]
        assert [endpoint["agency"] for endpoint in seen] == ["SUNRISE", "BELOW"]
        assert len(caller(below, SCOPES).get(ENDPOINTS).json()["results"]) == 1

    def test_need_the_scope(self, caller, agency):
        reader, nobody = caller(agency, SCOPES[:1]), caller(agency, ["seats:read"])

        assert reader.get(ENDPOINTS).status_code == 200
        assert post(reader, ENDPOINTS, url=URL).status_code == 403
        assert nobody.get(ENDPOINTS).status_code == 403
        assert nobody.get(EVENTS).status_code == 403


class TestEvents:
    def test_are_listed_as_they_are_delivered(self, client, agency, settings):
        settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
        make_seats(agency, "ana")
        with receiving() as receiver:
            endpoint = add(client, url=receiver.url)
            post(client, f"{EVENTS}/replay", endpoint=endpoint["id"], since=1)
            deliver_due(clock=lambda: NOW)

        listed = client.get(EVENTS).json()["results"]

        assert len(listed) == 2
        payload = [request.payload for request in receiver.received]
        assert sorted(payload, key=lambda event: event["sequence"]) == listed

    def test_are_narrowed_by_number_type_and_agency(self, caller, client, agency):
        make_seats(agency, "ana", "ben")
        make_agency("OTHER")

        def numbers(query, who=client):
            return [
                result["sequence"]
                for result in who.get(EVENTS + query).json()["results"]
            ]

        assert numbers("") == [1, 2, 3]
        assert numbers("?since=2") == [2, 3]
        assert numbers("?type=agency.added") == [1]
        assert numbers("?type=seat.added&since=3") == [3]
        assert client.get(f"{EVENTS}?agency=OTHER").status_code == 404
        assert client.get(f"{EVENTS}?since=x").status_code == 400
        platform = caller(None, SCOPES)
        assert numbers("?agency=OTHER", platform) == [1]
        assert numbers("", platform) == []

    def test_are_told_again_one_or_some(self, client, agency):
        make_seats(agency, "ana", "ben")
        endpoint = add(client)["id"]
        event = OutboxEvent.objects.get(stream__agency=agency, sequence=2)
        replay = f"{EVENTS}/replay"

        single = post(client, replay, endpoint=endpoint, event=str(event.public_id))
        some = post(client, replay, endpoint=endpoint, since=1, until=3)

        assert (single.status_code, single.json()) == (202, {"count": 1})
        assert some.json() == {"count": 2}  # one of the three waits already
        assert Delivery.objects.count() == 3

    def test_are_not_told_again_where_it_is_not_clear_which(self, client, agency):
        endpoint, replay = add(client)["id"], f"{EVENTS}/replay"
        unclear: list[dict[str, Any]] = [{}, {"event": str(uuid4()), "since": 1}, {"since": 0},
                   {"event": str(uuid4()), "until": 1}, {"since": 2**60}]  # fmt: skip

        for body in unclear:
            answer = post(client, replay, endpoint=endpoint, **body)
            assert answer.status_code == 400, body
        unknown = post(client, replay, endpoint=endpoint, event=str(uuid4()))
        assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_event")


def test_a_test_event_goes_out_with_the_next_sweep(client, agency, settings):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    with receiving() as receiver:
        endpoint = add(client, url=receiver.url, event_types=["invoice.issued"])
        answer = post(client, f"{ENDPOINTS}/{endpoint['id']}/test")
        fan_out_due(now=NOW)
        deliver_due(clock=lambda: NOW)

    assert answer.status_code == 202
    assert [request.payload["type"] for request in receiver.received] == [
        "webhook_endpoint.test"
    ]
