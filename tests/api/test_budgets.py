"""Budgets over the API and in the admin."""

import json
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from billing.budgets.models import Budget
from billing.budgets.services.alerts import check_budgets
from seats.agencies.services import set_upline
from seats.models import User
from tests.api.conftest import NOW
from tests.billing.budgets.test_alerting import of_minutes
from tests.build import MARCH, MARCH_1, call, make_agency, make_agents, make_prices
from tests.build import use as ingest
from tests.staff import confirm

pytestmark = pytest.mark.django_db
PATH = "/api/v1/budgets"
SCOPES = ["budgets:read", "budgets:write"]


@pytest.fixture
def world():
    """An agency, one below it, and a stranger."""
    make_prices()
    top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
    set_upline(agency=below, upline=top, on=MARCH, now=MARCH_1, actor="test")
    for agency in (top, below, other):
        make_agents(agency, "ana")
    return top, below, other


@pytest.fixture
def top(caller, world):
    return caller(world[0], SCOPES)


def send(client: Client, method: str, path: str, payload: object):
    return client.generic(method, path, json.dumps(payload), "application/json")


class TestBudgets:
    def test_are_set_and_say_how_far_they_have_come(self, top):
        added = send(top, "POST", PATH, {
            "meter": "voice.out", "agent": "ana", "quantity": "100", "hard": True,
            "thresholds": [90, 100],
        })  # fmt: skip

        assert added.status_code == 201
        body = added.json()
        assert body == {
            "id": body["id"], "agency": "TOP", "owner": "TOP", "agent": "ana",
            "meter": "voice.out", "ended_at": None,
            "amount": None, "quantity": "100", "unit": "minute", "hard": True,
            "thresholds": [90, 100], "newest": None,
        }  # fmt: skip
        ingest(call("TOP", agent="ana", quantity=Decimal(600)))
        check_budgets(now=NOW)
        newest = top.get(f"{PATH}/{body['id']}").json()["newest"]
        assert (newest["month"], newest["used"]) == ("2026-03", "10")

    def test_are_of_the_agencies_within_reach(self, top, world):
        made = [of_minutes(agency) for agency in world]
        below, other = made[1].public_id, made[2].public_id

        assert [result["agency"] for result in top.get(PATH).json()["results"]] == [
            "TOP", "BELOW",
        ]  # fmt: skip
        assert len(top.get(f"{PATH}?agency=BELOW").json()["results"]) == 1
        assert top.get(f"{PATH}/{below}").status_code == 200
        for answer in (
            top.get(f"{PATH}?agency=OTHER"),
            top.get(f"{PATH}/{other}"),
            send(top, "PATCH", f"{PATH}/{other}", {"hard": True}),
            top.delete(f"{PATH}/{other}"),
            send(top, "POST", PATH, {"agency": "OTHER", "amount": "1"}),
            top.get(f"{PATH}/0197c6a0-0000-7000-8000-000000000000"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert Budget.objects.count() == 3

    def test_are_changed_and_removed(self, top, world):
        path = f"{PATH}/{of_minutes(world[1]).public_id}"

        changed = send(top, "PATCH", path, {"quantity": "5", "hard": True}).json()
        assert (changed["quantity"], changed["hard"]) == ("5", True)
        assert top.delete(path).status_code == 204
        assert top.get(path).status_code == 404

    def test_of_one_thing_are_one(self, top):
        payload = {"amount": "100.00"}
        assert send(top, "POST", PATH, payload).status_code == 201
        assert send(top, "POST", PATH, payload).json()["code"] == "budget_exists"

    @pytest.mark.parametrize(
        ("payload", "code", "field"),
        [
            ({}, "bad_budget", "amount"),
            ({"amount": "1.001"}, "bad_budget", "amount"),
            ({"quantity": "1"}, "bad_budget", "meter"),
            ({"quantity": "1", "meter": "gone"}, "unknown_meter", "meter"),
            (
                {"quantity": "1", "meter": "voice.out", "agent": "x"},
                "unknown_agent",
                "agent",
            ),
            ({"amount": "1", "colour": "red"}, "invalid", "colour"),
            ({"amount": "NaN"}, "invalid", "amount"),
            ({"amount": "1_0"}, "invalid", "amount"),
            ({"amount": "\N{FULLWIDTH DIGIT ONE}0"}, "invalid", "amount"),
            ({"amount": "1", "thresholds": ["5_0"]}, "invalid", "thresholds[0]"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, top, payload, code, field):
        problem = send(top, "POST", PATH, payload).json()

        assert (problem["code"], problem["field"]) == (code, field)

    def test_say_no_key_twice(self, top):
        body = '{"amount": "1", "hard": true, "amount": "2"}'

        answer = top.post(PATH, body, content_type="application/json")

        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
            400, "duplicate_key", "amount",
        )  # fmt: skip

    @pytest.mark.parametrize("body", ["[" * 500_000, '{"a":' * 100_000])
    def test_are_no_deeper_than_any_json_of_ours(self, top, body):
        answer = top.post(PATH, body, content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (400, "too_deep")

    def test_need_their_scope(self, caller, world):
        reader = caller(world[0], ["budgets:read"])
        assert reader.get(PATH).status_code == 200
        assert send(reader, "POST", PATH, {"amount": "1"}).status_code == 403
        assert caller(world[0], ["usage:read"]).get(PATH).status_code == 403


class TestAdmin:
    @pytest.fixture
    def staff(self, client):
        client.force_login(User.objects.create_superuser("s@example.com", "x" * 12))
        return client

    def test_sets_changes_and_removes(self, staff, world):
        top = world[0]
        new = reverse("admin:billing_budget_add")
        payload = {"agency": top.pk, "amount": "100", "thresholds": "50,100"}

        assert staff.post(new, payload).status_code == 302
        made = Budget.objects.get()
        assert (made.amount, made.changed_by) == (Decimal(100), "s@example.com")
        page = reverse("admin:billing_budget_change", args=[made.pk])
        assert staff.get(page).status_code == 200
        staff.post(page, {"amount": "7", "hard": "on", "thresholds": "100"})
        made.refresh_from_db()
        assert (made.amount, made.hard, made.thresholds) == (Decimal(7), True, [100])
        url = reverse("admin:billing_budget_changelist")
        confirm(staff, url, {"action": "remove", "_selected_action": [made.pk]})
        assert not Budget.objects.exists()

    def test_shows_what_is_refused(self, staff, world):
        page = staff.post(
            reverse("admin:billing_budget_add"),
            {"agency": world[0].pk, "thresholds": "50"},
        ).content.decode()

        assert "Set either `amount` or `quantity`, and not both." in page

    @pytest.mark.parametrize(
        "payload",
        [
            {"amount": "1_000"},
            {"amount": "\N{FULLWIDTH DIGIT ONE}"},
            {"amount": "1", "thresholds": "5_0"},
        ],
    )
    def test_takes_numbers_in_plain_digits(self, staff, world, payload):
        page = staff.post(
            reverse("admin:billing_budget_add"),
            {"agency": world[0].pk, "thresholds": "50", **payload},
        ).content.decode()

        assert "plain ASCII digits" in page
        assert not Budget.objects.exists()
