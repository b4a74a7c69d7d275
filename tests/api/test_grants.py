"""What an upline set up for an agency ends when the agency moves away."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.budgets.models import Budget, BudgetAlert
from billing.budgets.services.alerts import check_budgets
from billing.webhooks.models import Delivery
from billing.webhooks.services.access import end_endpoints
from billing.webhooks.services.deliveries import claim_due, deliver_due
from billing.webhooks.services.fanout import fan_out_due
from tests.api.conftest import NOW
from tests.api.grants import (
    BUDGETS,
    ENDPOINTS,
    EVENTS,
    TODAY,
    clock,
    ended_of,
    move,
    post,
    sweep,
)
from tests.billing.webhooks.endpoints import announce, delivered
from tests.build import (
    call,
    make_agency,
)
from tests.build import use as ingest
from tests.receivers import receiving

pytestmark = pytest.mark.django_db


class TestEndpoints:
    def test_are_sent_nothing_after_the_move(self, tree, upline_client, agency_client):
        _, _, agency, stays = tree
        with receiving() as below_receiver, receiving() as own, receiving() as other:
            lost = post(
                upline_client, ENDPOINTS, url=below_receiver.url, agency="MOVED"
            )
            post(upline_client, ENDPOINTS, url=other.url, agency="STAYS")
            post(agency_client, ENDPOINTS, url=own.url)
            announce(agency, "before", clock=clock)
            sweep()
            move(tree)
            announce(agency, "after", clock=clock)
            announce(stays, "there", clock=clock)
            sweep()
            sweep()

        assert [subject for subject, _ in delivered(below_receiver)] == ["before"]
        assert [subject for subject, _ in delivered(other)] == ["there"]
        assert {"before", "after"} <= {subject for subject, _ in delivered(own)}
        assert ended_of(tree[0]) == ended_of(agency) == [
            ("webhook_endpoint", lost["id"], "MOVED")
        ]  # fmt: skip

    def test_what_waits_at_the_move_is_not_sent(self, tree, upline_client):
        with receiving() as below_receiver:
            post(upline_client, ENDPOINTS, url=below_receiver.url, agency="MOVED")
            post(upline_client, ENDPOINTS, url=below_receiver.url, agency="STAYS")
            announce(tree[2], "waits", clock=clock)
            announce(tree[3], "there", clock=clock)
            fan_out_due(now=NOW)
            assert Delivery.objects.count() == 2
            move(tree)
            deliver_due(clock=clock)

        assert [subject for subject, _ in delivered(below_receiver)] == ["there"]
        states = Delivery.objects.order_by("endpoint__agency__code")
        assert list(states.values_list("state", "attempts")) == [
            ("pending", 0), ("delivered", 1),
        ]  # fmt: skip

    def test_end_at_the_midnight_of_the_agency_that_moves(self, tree, upline_client):
        tomorrow = TODAY + timedelta(days=1)
        midnight = NOW.replace(hour=4) + timedelta(days=1)  # in New York
        post(upline_client, ENDPOINTS, url="https://hooks.example.com/", agency="MOVED")
        move(tree, on=tomorrow)

        assert end_endpoints(now=midnight - timedelta(seconds=1)) == []
        assert len(end_endpoints(now=midnight)) == 1
        assert end_endpoints(now=midnight) == []

    def test_are_shown_to_both_as_ended_and_do_not_come_back(
        self, caller, tree, upline_client, agency_client
    ):
        url = "https://hooks.example.com/secret-path"
        made = post(upline_client, ENDPOINTS, url=url, agency="MOVED")
        path = f"{ENDPOINTS}/{made['id']}"
        move(tree)
        end_endpoints(now=NOW)

        seen = upline_client.get(path).json()
        assert (seen["state"], seen["url"], seen["owner"]) == ("ended", url, "OLD")
        assert "downline" in seen["reason"]
        seen = agency_client.get(path).json()
        assert (seen["state"], seen["url"]) == (
            "ended", "https://hooks.example.com/...",
        )  # fmt: skip
        for client in (upline_client, agency_client):
            for action in ("rotate-secret", "test", "resume", "pause"):
                assert client.post(f"{path}/{action}").status_code == 404
            body: dict[str, Any] = {"endpoint": made["id"], "since": 1}
            answer = client.post(f"{EVENTS}/replay", body, "application/json")
            assert answer.status_code == 404
        move(tree, upline=0)
        assert reached_state(upline_client, path) == "ended"
        refused = upline_client.post(f"{path}/resume")
        assert refused.json()["code"] == "endpoint_ended"
        assert upline_client.delete(path).status_code == 204

    def test_of_an_upline_are_not_the_agencys_to_use(
        self, tree, upline_client, agency_client
    ):
        """Who rotates a secret may sign, so nobody rotates that of somebody above."""
        made = post(
            upline_client, ENDPOINTS, url="https://a.example.com/", agency="MOVED"
        )
        path = f"{ENDPOINTS}/{made['id']}"

        assert agency_client.get(path).json()["owner"] == "OLD"
        assert agency_client.post(f"{path}/rotate-secret").status_code == 404
        assert agency_client.patch(path, {"url": "https://b.example.com/"},
                             "application/json").status_code == 404  # fmt: skip
        assert agency_client.delete(path).status_code == 204

    def test_of_uplines_cost_no_query_each(self, tree, upline_client):
        for n in range(3):
            leaf = make_agency(f"LEAF{n}", upline=tree[0])
            post(
                upline_client, ENDPOINTS, url="https://a.example.com/", agency=leaf.code
            )
            announce(leaf, "one", clock=clock)
        fan_out_due(now=NOW)

        with CaptureQueriesContext(connection) as queries:
            claimed = claim_due(now=NOW, limit=10)

        assert len(claimed) >= 3
        assert len([query for query in queries if "seats_upline" in query["sql"]]) <= 2


def reached_state(client, path):
    return client.get(path).json()["state"]


class TestBudgets:
    def test_stop_nobody_and_alert_nobody_after_the_move(
        self, tree, upline_client, agency_client
    ):
        made = post(
            upline_client, BUDGETS, agency="MOVED", meter="voice.out", quantity="10",
            hard=True,
        )  # fmt: skip
        ingest(call("MOVED", agent="ana", quantity=Decimal(6000)))
        check_budgets(now=NOW)
        ask = "/api/v1/authorize?agent=ana"
        assert agency_client.get(ask).json()["reasons"] == ["budget_exceeded"]
        alerts = BudgetAlert.objects.count()
        move(tree)

        assert agency_client.get(ask).json()["reasons"] == []  # before any sweep
        ingest(call("MOVED", agent="ana", quantity=Decimal(6000)))
        check_budgets(now=NOW)

        assert BudgetAlert.objects.count() == alerts
        assert ended_of(tree[0]) == ended_of(tree[2]) == [
            ("budget", made["id"], "MOVED")
        ]  # fmt: skip
        seen = upline_client.get(f"{BUDGETS}/{made['id']}").json()
        assert (seen["ended_at"], seen["newest"]) == ("2026-03-31T12:00:00Z", None)
        assert agency_client.get(f"{BUDGETS}/{made['id']}").json()["ended_at"]
        refused = agency_client.patch(f"{BUDGETS}/{made['id']}", {"quantity": "1"},
                                "application/json")  # fmt: skip
        assert refused.json()["code"] == "budget_gone"

    def test_leave_room_for_the_agencys_own_at_once(
        self, tree, upline_client, agency_client
    ):
        same = {"meter": "voice.out", "quantity": "10"}
        post(upline_client, BUDGETS, agency="MOVED", **same)
        move(tree)

        assert post(agency_client, BUDGETS, **same)["owner"] == "MOVED"

    def test_that_the_agency_changed_are_its_own(
        self, tree, upline_client, agency_client
    ):
        made = post(
            upline_client, BUDGETS, agency="MOVED", meter="voice.out", quantity="10"
        )
        agency_client.patch(
            f"{BUDGETS}/{made['id']}", {"quantity": "20"}, "application/json"
        )
        move(tree)
        check_budgets(now=NOW)

        assert Budget.objects.get().ended_at is None
