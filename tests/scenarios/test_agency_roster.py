"""The roster that members see, and what they undo, plan and correct on it."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from seats.models import Agent, Seat
from seats.roster.services.seats import (
    cancel_seats,
    remove_seats,
)
from tests.build import (
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)
from tests.downline import BELOW, HOME
from tests.members import (
    ADD,
    AGENTS,
    SEATS,
    agent_of,
    choice,
    effects_of,
    member,
    messages_of,
    seat_of,
)
from tests.staff import confirm, confirmation, snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
NOON = datetime(2026, 3, 17, 16, tzinfo=UTC)  # 17 March in New York
TODAY = date(2026, 3, 17)
MEMBERS = "/agency/seats/member/"
BY: Any = {"actor": "admin@sunrise.example.com", "now": NOON}
VERSION = re.compile(r'name="version" value="(\d+)"')


@pytest.fixture(autouse=True)
def march():
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def agency(settings):
    """SUNRISE with a seat of ana and of ben since 1 March, and no seat of cleo."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    make_agents(agency, "cleo")
    return agency


def page_of(row: Any) -> str:
    return f"/agency/seats/{row._meta.model_name}/{row.pk}/change/"


def holders(answer: Any) -> list[str]:
    return [seat.agent.external_id for seat in answer.context["cl"].result_list]


class TestRosterList:
    def test_says_the_last_call_and_the_cost(self, agency):
        use(call(agent="ana"))  # on 10 March
        remove_seats(seats=[seat_of("ana")], on=date(2026, 3, 18), **BY)

        text = member(agency).get(SEATS).content.decode()

        assert "2026-03-10" in text
        assert "none in 90 days" not in text
        assert text.count("none yet") == 1  # of ben
        assert "27.42" in text  # 17 of 31 days
        assert "50.00" in text
        assert "column-agency" not in text

    def test_shows_no_cost_to_who_sees_no_money(self, agency):
        text = member(agency, "supervisor").get(SEATS).content.decode()

        assert "column-last_call" in text
        assert "column-cost" not in text
        assert "50.00" not in text

    def test_shows_active_seats_first_of_all(self, agency):
        admin = member(agency)
        (dan, eve) = make_seats(agency, "dan", "eve", on=TODAY, now=NOON)
        remove_seats(seats=[seat_of("ana")], on=TODAY, **BY)
        remove_seats(seats=[seat_of("ben")], on=date(2026, 4, 1), **BY)
        cancel_seats(seats=[dan], reason="A typo", **BY)

        assert holders(admin.get(SEATS)) == ["ben", "eve"]
        assert holders(admin.get(f"{SEATS}?state=ending")) == ["ben"]
        assert holders(admin.get(f"{SEATS}?state=removed")) == ["ana"]
        assert holders(admin.get(f"{SEATS}?state=cancelled")) == ["dan"]
        assert holders(admin.get(f"{SEATS}?state=all")) == ["ana", "ben", "dan", "eve"]
        assert eve.agent.name == "Eve"

    def test_acts_on_all_of_it_means_the_active_ones(self, agency):
        remove_seats(seats=[seat_of("ana")], on=TODAY, **BY)
        content = choice("remove", seat_of("ben"), on="2026-03-20", select_across="1")

        page = member(agency).post(SEATS, content)

        assert page.context["count"] == 1

    def test_names_agencies_only_where_there_are_several(self, people):
        assert "column-agency" in people[0].client.get(SEATS).content.decode()
        assert "column-agency" not in people[3].client.get(SEATS).content.decode()

    def test_takes_a_fixed_number_of_queries(self, agency):
        admin = member(agency)
        counts = []
        for names in (["dan"], [f"a{n}" for n in range(30)]):
            make_seats(agency, *names)
            admin.get(SEATS)
            with CaptureQueriesContext(connection) as queries:
                admin.get(SEATS)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_is_titled_by_its_name(self, agency):
        admin = member(agency)

        title = re.compile(r"<title>\s*(.*?)\s*</title>")
        listed = title.findall(admin.get(SEATS).content.decode())
        seat = title.findall(admin.get(page_of(seat_of("ana"))).content.decode())

        assert listed[0].startswith("Seats | ")
        assert seat[0].startswith(
            "Seats | Seat of Ana (SUNRISE ana) from 2026-03-01 | "
        )


class TestSeasons:
    def test_end_on_their_date_and_cost_no_more(self, agency):
        admin = member(agency)
        content = {
            "agency": agency.pk, "on": "2026-03-17", "until": "2026-03-27",
            "agents": "dan, Dan", "reason": "",
        }  # fmt: skip

        page = admin.post(ADD, {**content, "apply": "1"})
        done = confirm(admin, ADD, content)

        lines = " ".join(effects_of(page))
        assert "until 2026-03-27, which is not billed" in lines
        assert "March 2026: +16.13 USD" in lines
        assert "April" not in lines
        assert messages_of(done) == ["Dan: added with seats."]
        assert seat_of("dan").removed_on == date(2026, 3, 27)

    @pytest.mark.parametrize("until", ["2026-03-17", "2026-03-01"])
    def test_that_end_before_they_begin_are_refused(self, agency, until):
        content = choice("add_a_seat", agent_of("cleo"), on="2026-03-17", until=until)

        page = confirm(member(agency), AGENTS, content)

        assert f"cannot be removed on {until}" in page.content.decode()
        assert Seat.objects.count() == 2

    def test_without_a_beginning_are_asked_for_it(self, agency):
        content = {
            "agency": agency.pk, "on": "", "until": "2026-03-27", "agents": "dan, Dan",
            "reason": "",
        }  # fmt: skip

        page = confirm(member(agency), ADD, content)

        assert "Enter the date from which" in page.content.decode()
        assert Agent.objects.count() == 3


class TestDetails:
    def test_of_an_agent_are_corrected(self, agency):
        supervisor, ana = member(agency, "supervisor"), agent_of("ana")
        content = choice(
            "change_details", ana, external_id="anna", name="Anna Adams",
            email="anna@example.com", npn="77",
        )  # fmt: skip

        page = supervisor.post(AGENTS, {**content, "apply": "1"})
        done = confirm(supervisor, AGENTS, content)

        assert effects_of(page)[0] == "Dialer id of Ana (ana): ana becomes anna."
        assert messages_of(done) == ["Anna Adams: changed."]
        ana.refresh_from_db()
        assert (ana.external_id, ana.email, ana.npn) == (
            "anna", "anna@example.com", "77",
        )  # fmt: skip

    def test_keep_the_dialer_id_that_calls_name(self, agency):
        use(call(agent="ana"))
        ana = agent_of("ana")
        content = choice(
            "change_details", ana, external_id="anna", name="Anna", email="", npn=""
        )

        page = member(agency).post(AGENTS, choice("change_details", ana))
        confirm(member(agency, "owner"), AGENTS, content)

        ana.refresh_from_db()
        assert "last on 2026-03-10, so it stays" in page.content.decode()
        assert (ana.external_id, ana.name) == ("ana", "Anna")

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"external_id": "ben"}, "Another agent has the dialer id"),
            ({"npn": "12x"}, "Enter up to 10 digits"),
            ({"email": "nowhere"}, "Enter a valid email address"),
            ({"name": ""}, "This field is required"),
        ],
    )
    def test_that_are_wrong_are_refused_and_kept_in_the_form(
        self, agency, changes, problem
    ):
        ana = agent_of("ana")
        content = {"external_id": "ana", "name": "Kept", "email": "", "npn": ""}

        page = confirm(
            member(agency), AGENTS, choice("change_details", ana, **content | changes)
        )

        assert problem in page.content.decode()
        ana.refresh_from_db()
        assert ana.name == "Ana"

    def test_are_nobody_s_who_only_looks(self, agencies, people):
        agent = Agent.objects.filter(agency=agencies[HOME]).earliest("pk")
        content = choice(
            "change_details", agent, external_id="x", name="X", email="", npn=""
        )
        stolen = confirmation(people[0].client, AGENTS, content)
        for person in (people[2], *people[4:8]):
            before = snapshot()
            person.client.post(AGENTS, stolen)
            confirm(person.client, AGENTS, content)
            assert snapshot() == before, person


class TestAgencies:
    def test_are_asked_for_where_there_are_several(self, agencies, people):
        owner = people[0].client
        content = {"agents": "dan, Dan", "on": "2026-03-18", "reason": ""}

        first = owner.get(ADD).content.decode()
        missing = owner.post(ADD, {**content, "agency": "", "apply": "1"})
        confirm(owner, ADD, {**content, "agency": agencies[BELOW].pk})

        assert "are new agents of the agency below" in first
        assert (
            "selected"
            not in first.partition('name="agency"')[2].partition("</select>")[0]
        )
        assert "This field is required" in missing.content.decode()
        assert agent_of("dan").agency == agencies[BELOW]

    def test_offer_no_present_holder_for_a_hand_over(self, agency):
        admin, seat = member(agency), seat_of("ana")
        page = admin.post(SEATS, choice("hand_over", seat)).content.decode()
        (url,) = re.findall(r'data-ajax--url="([^"]*)"', page)
        address = f"{url}&app_label=seats&model_name=seat&field_name=agent"
        offered = admin.get(address.replace("&amp;", "&"))

        names = [row["text"] for row in offered.json()["results"]]
        assert names == ["Ben (ben), SUNRISE", "Cleo (cleo), SUNRISE"]
        content = {"on": "2026-03-17", f"agent_{seat.pk}": seat.agent_id}
        same = confirm(admin, SEATS, choice("hand_over", seat, **content))
        assert "Select a valid choice" in same.content.decode()
