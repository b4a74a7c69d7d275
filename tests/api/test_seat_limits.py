"""Over the API: what of a seat stays billed, how far ahead dates go, and how to go on."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest

from seats.agencies.services import set_upline
from seats.models import Seat
from tests.api.conftest import NOW
from tests.build import MARCH, make_agency, make_agents, make_prices

pytestmark = pytest.mark.django_db
SCOPES = ["seats:read", "seats:write", "usage:write", "invoices:read"]
TODAY = NOW.date()
TOO_FAR = (TODAY + timedelta(days=401)).isoformat()
FAR = (TODAY + timedelta(days=400)).isoformat()


@pytest.fixture
def client(caller):
    """A client with the key of TOP, which reaches BELOW too."""
    make_prices()
    top, below = make_agency("TOP"), make_agency("BELOW")
    set_upline(agency=below, upline=top, on=MARCH, now=NOW, actor="test")
    make_agents(top, "ana", "ben")
    make_agents(below, "ana")
    return caller(top, SCOPES)


@pytest.fixture
def top(client):
    def ask(path, payload):
        return client.post(f"/api/v1/{path}", payload, content_type="application/json")

    return ask


def add(top, **fields):
    answer = top("seats", {"agent": "ana", **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()[0]


def use(top, *days):
    events = [
        {
            "source": "/dialer",
            "id": f"call-{day}",
            "agent": "ana",
            "meter": "voice.out",
            "quantity": 60,
            "occurred_at": f"2026-03-{day:02}T08:00:00Z",
        }
        for day in days
    ]
    assert top("usage-events", events).json()["accepted"] == len(days)


def code_of(answer):
    return answer.status_code, answer.json()["code"], answer.json().get("field")


class TestUsedDates:
    def test_are_billed_whoever_is_made_the_holder_afterwards(self, client, top):
        seat = add(top, on="2026-03-01")
        use(top, *range(1, 29))
        path = f"seats/{seat['id']}"

        handed = top(f"{path}/hand-over", {"agent": "ben", "on": "2026-03-01"})
        cancelled = top(f"{path}/cancel", {"reason": "mistake"})
        removed = top(f"{path}/remove", {"on": "2026-03-01"})
        moved = top(
            f"{path}/transfer", {"agency": "BELOW", "agent": "ana", "on": "2026-03-02"}
        )

        assert handed.status_code == 200
        assert {code_of(answer)[:2] for answer in (cancelled, removed, moved)} == {
            (422, "seat_used_later")
        }
        assert "2026-03-28" in removed.json()["detail"]
        assert "2026-03-29" in removed.json()["detail"]
        (preview,) = client.get("/api/v1/invoices/preview?month=2026-03").json()
        assert Decimal(preview["lines"][0]["amount"]) == Decimal("50.00")

    def test_day_by_day_cannot_be_cancelled(self, top):
        seat = add(top, on="2026-03-30")
        use(top, 30)

        answer = top(f"seats/{seat['id']}/cancel", {"reason": "mistake"})

        assert code_of(answer)[:2] == (422, "seat_used_later")

    def test_a_removal_without_a_date_ends_with_today_where_it_was_used(self, top):
        unused, used = add(top, agent="ben", on="2026-03-02"), add(top, on="2026-03-02")
        use(top, 31)

        first = top(f"seats/{unused['id']}/remove", {}).json()
        second = top(f"seats/{used['id']}/remove", {}).json()

        assert date.fromisoformat(first["removed_on"]) == TODAY
        assert date.fromisoformat(second["removed_on"]) == TODAY + timedelta(days=1)


class TestDatesAhead:
    def test_are_taken_up_to_400_days_ahead(self, top):
        assert add(top, on=FAR)["added_on"] == FAR
        answer = top("seats", {"agent": "ben", "on": TOO_FAR})

        assert code_of(answer) == (422, "too_far_ahead", "on")
        assert "400 days ahead" in answer.json()["detail"]
        assert FAR in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("action", "payload"),
        [
            ("remove", {}),
            ("hand-over", {"agent": "ben"}),
            ("transfer", {"agency": "BELOW", "agent": "ana"}),
        ],
    )
    def test_are_refused_by_every_action_that_takes_one(self, top, action, payload):
        seat = add(top)

        answer = top(f"seats/{seat['id']}/{action}", {**payload, "on": "2099-01-01"})

        assert code_of(answer) == (422, "too_far_ahead", "on")

    def test_of_a_list_are_refused_with_all_of_it(self, top):
        many = [{"agent": "ana"}, {"agent": "ben", "on": "2099-01-01"}]

        assert code_of(top("seats", many)) == (422, "too_far_ahead", "on")
        assert not Seat.objects.exists()

    def test_do_not_keep_a_seat_recorded_long_ago_from_being_cancelled(
        self, top, settings
    ):
        settings.BILLING = {**settings.BILLING, "AHEAD_DAYS": 30_000}
        seat = add(top, on="2099-01-01")
        settings.BILLING = {**settings.BILLING, "AHEAD_DAYS": 400}

        answer = top(f"seats/{seat['id']}/cancel", {"reason": "typing error"})

        assert answer.status_code == 200
        assert add(top)["added_on"] == TODAY.isoformat()


class TestAddingAgain:
    def test_names_the_request_that_reopens_the_seat_of_today(self, top):
        seat = add(top)
        top(f"seats/{seat['id']}/remove", {})

        refused = top("seats", {"agent": "ana"})
        (path,) = re.findall(r"POST /api/v1/(\S+/reopen)", refused.json()["detail"])
        reopened = top(path, {})

        assert code_of(refused) == (409, "agent_has_a_seat", "agent")
        assert reopened.status_code == 200
        assert reopened.json()["id"] == seat["id"]
        assert reopened.json()["removed_on"] is None

    def test_names_the_seat_that_is_in_the_way(self, top):
        seat = add(top, on="2026-03-05")

        detail = top("seats", {"agent": "ana"}).json()["detail"]

        assert seat["id"] in detail
        assert "from 2026-03-05" in detail
