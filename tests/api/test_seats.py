"""Agencies, agents and seats over the API: what is done, and what is not there."""

from datetime import date, timedelta

import pytest

from seats.agencies.services import set_upline
from seats.models import Agent, Seat, SeatVersion
from seats.roster.services.seats import remove_seats
from tests.api.conftest import NOW
from tests.build import MARCH, make_agency, make_agents, make_prices, make_seats

pytestmark = pytest.mark.django_db
SCOPES = ["seats:read", "seats:write"]
TODAY = NOW.date()


@pytest.fixture
def downline():
    make_prices()
    top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
    set_upline(agency=below, upline=top, on=MARCH, now=NOW, actor="test")
    for agency in (top, below, other):
        make_agents(agency, "ana", "ben")
    return top, below, other


@pytest.fixture
def top(caller, downline):
    """A caller with the key of TOP, which reaches BELOW too."""
    client = caller(downline[0], SCOPES)

    def call(path, payload=None):
        url = f"/api/v1/{path}"
        if payload is None:
            return client.get(url)
        return client.post(url, payload, content_type="application/json")

    return call


def add(top, **fields):
    answer = top("seats", {"agent": "ana", **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()[0]


class TestAgencies:
    def test_are_those_within_reach(self, top):
        shown = top("agencies").json()["results"]

        assert [(a["code"], a["upline"], a["timezone"]) for a in shown] == [
            ("TOP", None, "America/New_York"),
            ("BELOW", "TOP", "America/New_York"),
        ]

    def test_come_in_pages(self, caller, downline):
        client = caller(None, SCOPES)

        first = client.get("/api/v1/agencies?limit=2").json()
        second = client.get(first["next"]).json()

        codes = [a["code"] for page in (first, second) for a in page["results"]]
        assert codes == ["TOP", "BELOW", "OTHER"]
        assert second["next"] is None


class TestAgents:
    def test_are_added_one_or_many_and_listed(self, top):
        single = top("agents", {"external_id": "cara", "name": "Cara", "npn": "123"})
        several = top(
            "agents",
            [{"agency": "BELOW", "external_id": n, "name": n} for n in ("d", "e")],
        )

        assert (single.status_code, several.status_code) == (201, 201)
        assert single.json()[0]["agency"] == "TOP"
        below = top("agents?agency=BELOW").json()["results"]
        assert [agent["external_id"] for agent in below] == ["ana", "ben", "d", "e"]

    @pytest.mark.parametrize(
        ("payload", "status", "code", "field"),
        [
            ({"external_id": "ana", "name": "A"}, 409, "agent_exists", "external_id"),
            ({"name": "A"}, 400, "invalid", "external_id"),
            ({"external_id": "\0", "name": "A"}, 400, "invalid", "external_id"),
            ({"external_id": "x", "name": "A", "npn": "12a"}, 400, "invalid", "npn"),
            (
                [{"external_id": "x", "name": "A"}, {}],
                400,
                "invalid",
                "[1].external_id",
            ),
            ([], 400, "invalid", ""),
            ('"ana"', 400, "invalid", ""),
            (
                {"agency": "OTHER", "external_id": "x", "name": "A"},
                404,
                "not_found",
                "",
            ),
        ],
    )
    def test_are_refused_with_the_field(self, top, payload, status, code, field):
        answer = top("agents", payload)

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code)
        assert problem.get("field", "") == field

    def test_are_all_added_or_none(self, top):
        many = [{"external_id": n, "name": n} for n in ("x", "y", "ana")]

        assert top("agents", many).status_code == 409
        assert not Agent.objects.filter(external_id="x").exists()

    def test_of_two_of_one_name_in_a_list_none_is_added(self, top):
        many = [{"external_id": "x", "name": "X"}] * 2

        assert top("agents", many).status_code == 409
        assert not Agent.objects.filter(external_id="x").exists()


class TestSeats:
    def test_are_added_from_today_on_unless_told(self, top):
        today = add(top)
        earlier = add(top, agency="BELOW", on="2026-03-09")

        assert today["added_on"] == TODAY.isoformat()
        assert (earlier["agency"], earlier["added_on"]) == ("BELOW", "2026-03-09")
        assert earlier["holdings"] == [
            {"agent": "ana", "starts_on": "2026-03-09", "ends_on": None}
        ]
        actor = SeatVersion.objects.values_list("actor", flat=True).first()
        assert str(actor).startswith("key dk_")

    def test_are_all_added_or_none(self, top):
        answer = top("seats", [{"agent": "ana"}, {"agent": "nobody"}])

        assert (answer.status_code, answer.json()["field"]) == (400, "agent")
        assert not Seat.objects.exists()

    def test_refuse_an_agent_that_holds_one(self, top):
        add(top)

        answer = top("seats", {"agent": "ana"})

        assert (answer.status_code, answer.json()["code"]) == (409, "agent_has_a_seat")

    def test_live_through_their_actions(self, top):
        seat = add(top, on="2026-03-02")
        path = f"seats/{seat['id']}"

        handed = top(f"{path}/hand-over", {"agent": "ben", "on": "2026-03-10"}).json()
        removed = top(f"{path}/remove", {"on": "2026-03-20"}).json()
        reopened = top(f"{path}/reopen", {}).json()
        moved = top(
            f"{path}/transfer", {"agency": "BELOW", "agent": "ana", "on": "2026-03-25"}
        ).json()
        cancelled = top(f"seats/{moved['id']}/cancel", {"reason": "mistake"}).json()

        assert [h["agent"] for h in handed["holdings"]] == ["ana", "ben"]
        assert (removed["removed_on"], reopened["removed_on"]) == ("2026-03-20", None)
        assert (moved["agency"], moved["added_on"]) == ("BELOW", "2026-03-25")
        assert cancelled["cancelled"]
        assert cancelled["holdings"] == []

    def test_are_found_by_agency_agent_and_date(self, top, downline):
        make_seats(downline[1], "dan", "eve", on=date(2026, 3, 5))
        add(top)

        def agents_of(query):
            return [s["agent"] for s in top(f"seats?{query}").json()["results"]]

        assert agents_of("") == ["dan", "eve", "ana"]
        assert agents_of("agency=BELOW&agent=eve") == ["eve"]
        assert agents_of("on=2026-03-06") == ["dan", "eve"]
        assert top("seats?on=yesterday").json()["field"] == "on"
        assert top("seats?agency=OTHER").status_code == 404

    def test_refuse_what_an_agency_may_not(self, top):
        seat = add(top)
        long_ago = (TODAY - timedelta(days=91)).isoformat()

        answer = top(f"seats/{seat['id']}/remove", {"on": long_ago})

        assert (answer.status_code, answer.json()["code"]) == (422, "too_far_back")
        assert answer.json()["field"] == "on"

    def test_name_an_agent_that_is_not_there_by_one_code(self, top, downline):
        seat = add(top)
        requests = [
            ("seats", {"agent": "nina"}),
            ("seats", [{"agent": "ben"}, {"agent": "nina"}]),
            (f"seats/{seat['id']}/hand-over", {"agent": "nina"}),
            (f"seats/{seat['id']}/transfer", {"agency": "BELOW", "agent": "nina"}),
        ]

        answers = [top(path, body) for path, body in requests]

        assert [answer.status_code for answer in answers] == [400] * 4
        assert {
            (answer.json()["code"], answer.json()["field"]) for answer in answers
        } == {("unknown_agent", "agent")}

    def test_refused_without_a_date_name_none(self, top, downline):
        """Cancelling and re-opening take no date, so no refusal of theirs names it."""
        old = TODAY - timedelta(days=120)
        (seat,) = make_seats(downline[0], "zoe", on=old)
        (left,) = make_seats(downline[0], "yan", on=old)
        remove_seats(seats=[left], on=old + timedelta(days=1), actor="test", now=NOW,
                     reason="A test", staff=True)  # fmt: skip

        answers = [
            top(f"seats/{seat.public_id}/cancel", {"reason": "x"}),
            top(f"seats/{left.public_id}/reopen", {}),
        ]

        for answer in answers:
            problem = answer.json()
            assert (problem["code"], problem["field"]) == ("too_far_back", "seat")
            assert "Choose" not in problem["detail"]


class TestReach:
    def test_a_seat_elsewhere_is_as_one_that_is_not_there(self, top, downline):
        (seat,) = make_seats(downline[2], "zoe")
        nowhere = "019a0000-0000-7000-8000-000000000000"

        answers = [
            top(f"seats/{public_id}/{action}", payload)
            for public_id in (seat.public_id, nowhere)
            for action, payload in (
                ("remove", {}),
                ("hand-over", {"agent": "ana"}),
                ("cancel", {"reason": "x"}),
            )
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1

    def test_no_seat_goes_to_an_agency_elsewhere(self, top):
        seat = add(top, on="2026-03-02")

        answer = top(
            f"seats/{seat['id']}/transfer", {"agency": "OTHER", "agent": "ana"}
        )

        assert answer.status_code == 404
        assert Seat.objects.count() == 1

    def test_who_may_read_may_not_write(self, caller, downline):
        client = caller(downline[0], ["seats:read"])

        assert client.get("/api/v1/seats").status_code == 200
        answer = client.post("/api/v1/seats", {}, content_type="application/json")
        assert answer.status_code == 403


class TestQueries:
    def test_a_long_list_takes_as_many_queries_as_a_short_one(
        self, top, downline, django_assert_max_num_queries
    ):
        make_seats(downline[0], *(f"agent{n}" for n in range(50)))

        for path in ("seats", "agents", "agencies"):
            with django_assert_max_num_queries(12):
                assert top(path).status_code == 200
