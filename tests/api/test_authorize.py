"""Whether an agent may dial, as a dialer asks."""

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.accounts.models import AccountStanding
from billing.accounts.services import lift_suspension, suspend_outbound
from billing.budgets.services.alerts import check_budgets
from billing.pricing.models import Meter
from billing.webhooks.models import OutboxEvent
from core.errors import ReasonMissing
from seats.agencies.services import set_upline
from seats.api_keys.models import ApiKey
from seats.api_keys.services import create_key, revoke_key
from seats.models import User
from seats.roster.services.seats import hand_over_seats, remove_seats
from tests.api.conftest import NOW
from tests.billing.budgets.test_alerting import budget, of_minutes
from tests.build import (
    MARCH,
    MARCH_1,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
)
from tests.build import use as ingest
from tests.staff import confirm

PATH = "/api/v1/authorize"
SCOPES = ["authorize:read"]
BY: dict[str, Any] = {"actor": "test", "now": MARCH_1}


@pytest.fixture
def world(db):
    """An agency with one seat, one below it, and a stranger; ben has no seat."""
    make_prices()
    top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
    set_upline(agency=below, upline=top, on=MARCH, now=MARCH_1, actor="test")
    for agency in (top, below, other):
        make_seats(agency, "ana")
        make_agents(agency, "ben")
    return top, below, other


@pytest.fixture
def top(caller, world):
    return caller(world[0], SCOPES)


def ask(client: Client, agent: str = "ana", **fields: str):
    answer = client.get(PATH, {"agent": agent, **fields})
    assert answer.status_code == 200, answer.content
    return answer.json()


def reasons(client: Client, agent: str = "ana", **fields: str) -> list[str]:
    answer = ask(client, agent, **fields)
    assert answer["allowed"] == (not answer["reasons"])
    return list(answer["reasons"])


class TestAuthorize:
    def test_allows_who_holds_a_seat_today(self, top, world):
        seat = world[0].seats.get()

        assert ask(top) == {
            "allowed": True, "reasons": [], "seat": str(seat.public_id),
            "budget": None, "checked": True,
        }  # fmt: skip

    def test_refuses_who_has_none_or_is_nobody(self, top):
        assert reasons(top, "ben") == ["no_seat"]
        assert reasons(top, "eve") == ["unknown_agent"]

    def test_asks_for_today_as_the_agency_has_it(self, caller, world):
        """Three in the morning of 1 April UTC is the evening of 31 March there."""
        (seat,) = world[0].seats.all()
        remove_seats(seats=[seat], on=date(2026, 4, 1), **BY)
        _, token = create_key(agency=world[0], scopes=SCOPES, actor="test", now=MARCH_1)
        client = Client(headers={"authorization": f"Bearer {token}"})

        for hour, expected in ((3, []), (5, ["no_seat"])):
            at = datetime(2026, 4, 1, hour, tzinfo=UTC)
            with time_machine.travel(at, tick=False):
                assert reasons(client) == expected

    def test_follows_a_hand_over(self, top, world):
        (seat,) = world[0].seats.all()
        ben = world[0].agents.get(external_id="ben")
        hand_over_seats(moves=[(seat, ben)], on=date(2026, 3, 31), **BY)

        assert reasons(top, "ana") == ["no_seat"]
        assert reasons(top, "ben") == []

    def test_refuses_while_the_agency_is_suspended(self, top, world):
        audit = {"agency": world[0], "actor": "test", "now": NOW}
        suspend_outbound(reason="unpaid", **audit)
        assert reasons(top) == ["suspended"]
        assert reasons(top, agency="BELOW") == []
        lift_suspension(reason="paid", **audit)
        assert reasons(top) == []

    def test_refuses_beyond_a_hard_budget_alone(self, top, world):
        soft = of_minutes(world[0], 10, hard=False)
        ingest(call("TOP", agent="ana", quantity=Decimal(600)))
        check_budgets(now=NOW)
        assert reasons(top) == []
        hard = of_minutes(world[0], 10, hard=True)
        assert reasons(top) == []
        check_budgets(now=NOW)

        body = ask(top)

        assert body["reasons"] == ["budget_exceeded"]
        assert body["budget"] == str(hard.public_id) != str(soft.public_id)

    def test_refuses_only_whom_a_budget_is_for(self, top, world):
        make_seats(world[0], "cara")
        ana = world[0].agents.get(external_id="ana")
        of_minutes(world[0], 10, hard=True, agent=ana)
        ingest(call("TOP", agent="ana", quantity=Decimal(600)))
        check_budgets(now=NOW)

        assert reasons(top, "ana") == ["budget_exceeded"]
        assert reasons(top, "cara") == []

    def test_stops_no_calls_for_a_budget_of_messages(self, top, world):
        budget(world[0], meter=Meter.objects.get(code="sms.segment"),
               quantity=Decimal(1), hard=True)  # fmt: skip
        ingest(call("TOP", meter="sms.segment", quantity=Decimal(5)))
        check_budgets(now=NOW)

        assert reasons(top) == []

    def test_forgets_a_budget_with_its_month(self, top, world):
        budget(world[0], amount=Decimal("0.05"), hard=True)
        ingest(call("TOP"))
        check_budgets(now=NOW)
        assert reasons(top) == ["budget_exceeded"]

        with time_machine.travel(datetime(2026, 4, 1, 12, tzinfo=UTC), tick=False):
            assert reasons(top) == []

    def test_says_every_reason(self, top, world):
        suspend_outbound(agency=world[0], reason="x", actor="test", now=NOW)
        budget(world[0], amount=Decimal("0.05"), hard=True)
        ingest(call("TOP"))
        check_budgets(now=NOW)

        assert reasons(top, "ben") == ["no_seat", "suspended", "budget_exceeded"]

    def test_knows_what_is_within_reach_and_nothing_else(self, top, caller, world):
        assert reasons(top, agency="TOP") == []
        assert reasons(top, agency="BELOW") == []
        platform = caller(None, SCOPES)
        assert reasons(platform, agency="OTHER") == []
        below = caller(world[1], SCOPES)
        for client, payload in (
            (top, {"agency": "OTHER"}),
            (top, {"agency": "NOBODY"}),
            (top, {"agency": "\0"}),
            (below, {"agency": "TOP"}),
            (platform, {}),
        ):
            answer = client.get(PATH, {"agent": "ana", **payload})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    @pytest.mark.parametrize("agent", ["", "x" * 65, "a\0", "a\nb"])
    def test_wants_a_name(self, top, agent):
        answer = top.get(PATH, {"agent": agent})

        assert (answer.status_code, answer.json()["field"]) == (400, "agent")

    def test_wants_its_scope_and_a_key(self, caller, world):
        other = caller(world[0], ["usage:read"])
        for payload in ({}, {"agent": "ana"}):
            assert other.get(PATH, payload).status_code == 403
            assert Client().get(PATH, payload).status_code == 401

    def test_ends_with_the_key(self, caller, world):
        gone, short = (
            create_key(agency=world[0], scopes=SCOPES, actor="test", now=NOW,
                       expires_at=NOW + timedelta(hours=1))
            for _ in range(2)
        )  # fmt: skip
        clients = [
            Client(headers={"authorization": f"Bearer {token}"})
            for _, token in (gone, short)
        ]
        for client in clients:
            assert reasons(client) == []

        revoke_key(key=gone[0], now=NOW)
        with time_machine.travel(NOW + timedelta(hours=1), tick=False):
            answers = [client.get(PATH, {"agent": "ana"}) for client in clients]

        assert [answer.status_code for answer in answers] == [401, 401]
        assert {answer.json()["code"] for answer in answers} == {
            "authentication_failed"
        }

    def test_notes_the_use_of_a_key_once_an_hour(self, top):
        notes = []
        for minutes in (0, 59, 61):
            with time_machine.travel(NOW + timedelta(minutes=minutes), tick=False):
                assert reasons(top) == []
            notes.append(ApiKey.objects.get().last_used_at)

        assert notes == [NOW, NOW, NOW + timedelta(minutes=61)]

    def test_wants_no_more_than_its_rate_and_says_when_to_come_again(
        self, top, settings, broker
    ):
        settings.REDIS_URL = broker
        settings.AUTHORIZE_REQUESTS_A_MINUTE = 2

        answers = [top.get(PATH, {"agent": "ana"}) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[3].json()["code"] == "throttled"
        assert 0 < int(answers[3]["Retry-After"]) <= 61

    def test_asks_one_question_whoever_asks(self, top, caller, world):
        platform = caller(None, SCOPES)
        ask(top)
        ask(platform, agency="TOP")
        for client, payload in ((top, {}), (top, {"agency": "BELOW"}),
                             (platform, {"agency": "TOP"})):  # fmt: skip
            with CaptureQueriesContext(connection) as queries:
                ask(client, **payload)
            assert len(queries) == 1


class TestOddRequests:
    """What is not asked plainly is negotiated, and answered alike."""

    @pytest.mark.parametrize(
        "accept", ["application/*", "text/html, application/json;q=0.9, */*;q=0.8"]
    )
    def test_are_told_the_same(self, top, world, accept):
        for payload in ({}, {"agency": "BELOW"}, {"agent": "ben"}):
            payload = {"agent": "ana", **payload}
            plain = top.get(PATH, payload)
            odd = top.get(PATH, payload, headers={"accept": accept})
            more = top.get(PATH, {**payload, "colour": "red"})

            assert plain.content == odd.content == more.content
            assert plain["Content-Type"] == odd["Content-Type"] == "application/json"

    @pytest.mark.parametrize(
        ("method", "payload", "headers", "status"),
        [
            ("head", {}, {}, 200),
            ("get", {"format": "xml"}, {}, 404),
            ("get", {}, {"accept": "text/html"}, 406),
            ("get", {"agency": "OTHER"}, {"accept": "application/*"}, 404),
            ("get", {"agent": "x" * 65}, {"accept": "application/*"}, 400),
            ("post", {}, {}, 405),
            ("options", {}, {}, 405),
        ],
    )
    def test_are_refused_as_anywhere(self, top, method, payload, headers, status):
        payload = {"agent": "ana", **payload}
        answer = getattr(top, method)(PATH, query_params=payload, headers=headers)

        assert answer.status_code == status
        if status != 200:
            assert answer["Content-Type"] == "application/problem+json"


class TestAfterTheServerWentAway:
    def end_sessions(self, name: str) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
            assert cursor.fetchall() == [(True,)]

    @pytest.fixture
    def client(self, fresh_database, clock, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        make_prices()
        agency = make_agency()
        make_seats(agency, "ana")
        _, token = create_key(agency=agency, scopes=SCOPES, actor="test", now=NOW)
        return Client(headers={"authorization": f"Bearer {token}"})

    def test_asks_again_on_a_new_connection(self, client, fresh_database):
        assert ask(client)["checked"]
        for _ in range(2):
            self.end_sessions(fresh_database.name)

            assert ask(client)["allowed"]
            assert ask(client)["checked"]

    def test_does_not_ask_again_within_a_transaction(self, client, fresh_database):
        bodies = []

        @transaction.atomic
        def ask_within() -> None:
            connection.ensure_connection()
            self.end_sessions(fresh_database.name)
            bodies.append(ask(client))

        with pytest.raises(OperationalError):  # its commit finds nobody either
            ask_within()
        assert [row["checked"] for row in bodies] == [False]


class TestWithoutTheDatabase:
    @pytest.fixture
    def gone(self, fresh_database, settings):
        """A client whose key is good, and a database that lets nobody in."""
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        _, token = create_key(agency=None, scopes=SCOPES, actor="test", now=NOW)
        default = connections["default"]
        default.close()
        name, default.settings_dict["NAME"] = default.settings_dict["NAME"], "gone"
        yield Client(headers={"authorization": f"Bearer {token}"})
        default.close()
        default.settings_dict["NAME"] = name

    @pytest.mark.parametrize("open_", [True, False])
    def test_the_setting_answers_and_says_so(self, gone, settings, caplog, open_):
        settings.BILLING = {**settings.BILLING, "AUTHORIZE_FAIL_OPEN": open_}
        with caplog.at_level(logging.ERROR):
            body = ask(gone)

        assert body == {
            "allowed": open_, "reasons": ["not_checked"], "seat": None,
            "budget": None, "checked": False,
        }  # fmt: skip
        assert (
            f"The database is unavailable; authorize answers allowed={open_}."
            in caplog.text
        )
        assert "dk_" not in caplog.text

    def test_nobody_is_let_in_without_a_key(self, gone):
        assert Client().get(PATH, {"agent": "ana"}).status_code == 401


class TestStandings:
    def test_are_appended_once_and_announced(self, world):
        audit = {"agency": world[0], "actor": "test", "now": NOW}

        assert lift_suspension(reason="why not", **audit) is None
        assert suspend_outbound(reason="unpaid", **audit)
        assert suspend_outbound(reason="unpaid", **audit) is None
        assert lift_suspension(reason="paid", **audit)

        assert [row.standing for row in AccountStanding.objects.order_by("id")] == [
            "suspended",
            "good",
        ]
        events = OutboxEvent.objects.filter(subject="account:TOP").order_by("sequence")
        assert [(event.type, event.payload["reason"]) for event in events] == [
            ("account.outbound_suspended", "unpaid"),
            ("account.suspension_lifted", "paid"),
        ]

    def test_need_a_reason(self, world):
        with pytest.raises(ReasonMissing):
            suspend_outbound(agency=world[0], reason=" ", actor="test", now=NOW)

    def test_are_set_by_staff(self, client, world):
        client.force_login(User.objects.create_superuser("s@example.com", "x" * 12))
        page = reverse("admin:billing_billingaccount_changelist")
        for action, standing in (("suspend", "suspended"), ("lift", "good")):
            payload = {"action": action, "_selected_action": [world[0].pk]}
            assert b"reason" in client.post(page, payload).content
            done = confirm(client, page, {**payload, "reason": "said so"})
            messages = {"suspend": b"1 suspended.", "lift": b"1 allowed again."}
            assert messages[action] in done.content
            row = AccountStanding.objects.order_by("-id")[0]
            assert (row.standing, row.actor) == (standing, "s@example.com")
