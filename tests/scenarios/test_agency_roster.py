"""The roster that members see, and what they undo, plan and correct on it."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from seats.models import Agent, Member, Seat, SeatVersion, User
from seats.roster.services.seats import (
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
)
from tests.build import (
    MARCH_1,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)
from tests.downline import BELOW, HOME, TOP
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
BY = {"actor": "admin@sunrise.example.com", "now": NOON}
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


def timeline_of(answer: Any) -> list[str]:
    return [f"{event.on}: {event.text}" for event in answer.context["timeline"]]


def undo(client: Any, *seats: Seat, **content: Any) -> Any:
    return confirm(client, SEATS, choice("undo", *seats, **content))


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


class TestUndoing:
    def test_a_removal_reopens_the_seat(self, agency):
        admin = member(agency)
        confirm(admin, SEATS, choice("remove", seat_of("ana"), on="2026-03-17"))

        page = admin.post(SEATS, choice("undo", seat_of("ana")))
        done = undo(admin, seat_of("ana"))

        assert "is billed as if it had not been removed" in effects_of(page)[0]
        assert any("+24.19 USD" in line for line in effects_of(page))
        assert messages_of(done) == ["Seat of Ana: as before: the change was undone."]
        assert seat_of("ana").removed_on is None

    def test_a_new_date_and_a_reopening_bring_the_date_back(self, agency):
        admin, seats = member(agency), [seat_of("ana")]
        remove_seats(seats=seats, on=date(2026, 3, 20), **BY)
        remove_seats(seats=seats, on=date(2026, 3, 25), **BY)

        undo(admin, seat_of("ana"))
        first = seat_of("ana").removed_on
        confirm(admin, SEATS, choice("reopen", seat_of("ana")))
        undo(admin, seat_of("ana"))

        assert first == seat_of("ana").removed_on == date(2026, 3, 20)

    def test_a_new_seat_cancels_it(self, agency):
        add_seats(agents=[agent_of("cleo")], on=TODAY, **BY)

        undo(member(agency), seat_of("cleo"))

        assert seat_of("cleo").cancelled

    def test_a_used_seat_is_refused(self, agency):
        add_seats(agents=[agent_of("cleo")], on=TODAY, **BY)
        use(call(agent="cleo", occurred_at=NOON), now=NOON)

        page = undo(member(agency), seat_of("cleo"))

        assert "was used on 2026-03-17" in page.content.decode()
        assert not seat_of("cleo").cancelled

    def test_a_hand_over_gives_the_seat_back_on_every_date(self, agency):
        seat = seat_of("ana")
        dan, eve = make_agents(agency, "dan", "eve")
        hand_over_seats(moves=[(seat, dan)], on=date(2026, 3, 10), **BY)
        hand_over_seats(moves=[(seat, eve)], on=date(2026, 3, 25), **BY)
        held = list(seat.holdings.values_list("agent__name", "starts_on"))
        hand_over_seats(moves=[(seat, agent_of("cleo"))], on=date(2026, 3, 5), **BY)

        undo(member(agency), seat)

        assert list(seat.holdings.values_list("agent__name", "starts_on")) == held

    def test_a_hand_over_whose_holder_called_is_refused(self, agency):
        seat = seat_of("ana")
        hand_over_seats(moves=[(seat, agent_of("cleo"))], on=TODAY, **BY)
        use(call(agent="cleo", occurred_at=NOON), now=NOON)

        page = undo(member(agency), seat)

        assert "Cleo (cleo) used the seat on 2026-03-17" in page.content.decode()
        seat.refresh_from_db()
        assert seat.agent.external_id == "cleo"

    def test_a_swap_goes_back_as_a_whole(self, agency):
        ana, ben = seat_of("ana"), seat_of("ben")
        moves = [(ana, ben.agent), (ben, ana.agent)]
        hand_over_seats(moves=moves, on=TODAY, **BY)

        undo(member(agency), ana, ben)

        ana.refresh_from_db()
        ben.refresh_from_db()
        assert (ana.agent.external_id, ben.agent.external_id) == ("ana", "ben")

    def test_is_over_after_a_day(self, agency):
        yesterday = {**BY, "now": NOON - timedelta(hours=24)}
        remove_seats(seats=[seat_of("ana")], on=TODAY, **yesterday)
        admin = member(agency)

        page = undo(admin, seat_of("ana"))
        shown = admin.get(page_of(seat_of("ana"))).content.decode()

        assert "more than 24 hours ago" in page.content.decode()
        assert "Undo: " not in shown
        assert seat_of("ana").removed_on == TODAY

    def test_of_what_a_page_showed_is_refused_if_something_newer_happened(self, agency):
        admin, seat = member(agency), seat_of("ana")
        remove_seats(seats=[seat], on=date(2026, 3, 25), **BY)
        shown = admin.get(page_of(seat)).content.decode()
        (version,) = VERSION.findall(shown)
        hand_over_seats(moves=[(seat, agent_of("cleo"))], on=TODAY, **BY)

        page = undo(admin, seat, version=version)

        assert "was handed over after that" in page.content.decode()
        seat.refresh_from_db()
        assert (seat.agent.external_id, seat.removed_on) == ("cleo", date(2026, 3, 25))

    def test_sent_twice_is_done_once(self, agency):
        admin = member(agency)
        remove_seats(seats=[seat_of("ana")], on=TODAY, **BY)
        content = confirmation(admin, SEATS, choice("undo", seat_of("ana")))

        admin.post(SEATS, content)
        before = snapshot()
        again = admin.post(SEATS, content)

        assert "Nothing has changed yet" in again.content.decode()
        assert snapshot() == before

    def test_of_a_cancelled_seat_is_no_more(self, agency):
        cancel_seats(seats=[seat_of("ana")], reason="A typo", **BY)

        page = undo(member(agency), seat_of("ana"))

        assert "is cancelled" in page.content.decode()
        assert seat_of("ana").version == 2

    def test_stands_on_the_pages_and_behind_the_message(self, agency):
        admin = member(agency)
        done = confirm(admin, SEATS, choice("remove", seat_of("ana"), on="2026-03-18"))

        (message,) = done.context["messages"]
        address = page_of(seat_of("ana"))
        assert f'href="{address}"' in str(message)
        for path in (address, page_of(agent_of("ana"))):
            assert "Undo: seat removed" in admin.get(path).content.decode()

    def test_is_for_supervisors_of_hand_overs_alone(self, agency):
        supervisor, ana, ben = (
            member(agency, "supervisor"),
            seat_of("ana"),
            seat_of("ben"),
        )
        hand_over_seats(moves=[(ana, agent_of("cleo"))], on=TODAY, **BY)
        remove_seats(seats=[ben], on=TODAY, **BY)

        refused = undo(supervisor, ben)
        done = undo(supervisor, ana)

        assert "You may undo hand-overs alone" in refused.content.decode()
        assert "USD" not in refused.content.decode()
        assert messages_of(done)
        assert seat_of("ben").removed_on == TODAY
        ana.refresh_from_db()
        assert ana.agent.external_id == "ana"

    def test_is_nobody_s_who_may_not_change_seats(self, agencies, people):
        """Neither of roles that only look, nor of agencies beside and below."""
        seat = Seat.objects.filter(agency=agencies[HOME]).earliest("pk")
        remove_seats(seats=[seat], on=date(2026, 3, 25), actor="test", now=NOON)
        content = confirmation(people[0].client, SEATS, choice("undo", seat))
        for person in (*people[2:5], *people[5:8]):
            before = snapshot()
            person.client.post(SEATS, content)
            undo(person.client, seat)
            assert snapshot() == before, person


class TestUndoingTransfers:
    @pytest.fixture
    def moved(self, agencies, people):
        """A seat of HOMEZZ that went to BELOWZZ today, with a planned end."""
        seat = Seat.objects.filter(agency=agencies[HOME]).earliest("pk")
        remove_seats(seats=[seat], on=date(2026, 6, 1), actor="test", now=NOON)
        to = Agent.objects.create(
            agency=agencies[BELOW], external_id="new", name="New", created_at=MARCH_1
        )
        content = choice(
            "transfer", seat, on="2026-03-21", **{f"agent_{seat.pk}": to.pk}
        )
        confirm(people[0].client, SEATS, content)
        return seat, Seat.objects.get(transferred_from=seat)

    @pytest.mark.parametrize("end", [0, 1])
    def test_brings_the_seat_back_with_its_end(self, people, moved, end):
        done = undo(people[0].client, moved[end])

        old, new = moved
        old.refresh_from_db()
        new.refresh_from_db()
        assert messages_of(done)
        assert (old.removed_on, new.cancelled) == (date(2026, 6, 1), True)

    def test_is_not_the_affair_of_who_reaches_but_an_end(self, people, moved):
        below = next(p for p in people if p.name.endswith("belowzz"))
        before = snapshot()

        page = undo(below.client, moved[1])

        assert not page.context["can_change"]
        assert "homezz" not in page.content.decode().lower()
        assert snapshot() == before

    def test_is_refused_once_the_new_seat_was_changed(self, agencies, people, moved):
        (other, *_) = Agent.objects.filter(agency=agencies[BELOW], seats=None)
        hand_over_seats(
            moves=[(moved[1], other)], on=date(2026, 3, 25), actor="test", now=NOON
        )

        page = undo(people[0].client, moved[0])

        assert "was changed after the transfer" in page.content.decode()
        moved[0].refresh_from_db()
        assert moved[0].removed_on == date(2026, 3, 21)


class TestTimelines:
    def test_say_in_plain_words_who_did_what(self, agency):
        admin = member(agency)
        User.objects.update(name="Dana Diaz")
        seat = seat_of("ana")
        content = {"on": "2026-03-17", f"agent_{seat.pk}": agent_of("cleo").pk}
        confirm(admin, SEATS, choice("hand_over", seat, **content))
        confirm(admin, SEATS, choice("remove", seat, on="2026-03-20", reason="Quits"))

        page = admin.get(page_of(seat))

        assert timeline_of(page) == [
            "2026-03-17: Dana Diaz removed the seat of Cleo as of 2026-03-20",
            "2026-03-17: Dana Diaz handed the seat from Ana to Cleo",
            "2026-03-01: A seat was added for Ana, from 2026-03-01",
        ]
        assert "Quits" in page.content.decode()
        assert timeline_of(admin.get(page_of(agent_of("ana")))) == [
            "2026-03-17: Dana Diaz handed the seat from Ana to Cleo",
            "2026-03-01: A seat was added for Ana, from 2026-03-01",
        ]
        assert timeline_of(admin.get(page_of(agent_of("ben"))))[1:] == []

    def test_name_nobody_above_the_agency_and_no_staff(self, agencies, people):
        below = next(p for p in people if p.name.endswith("belowzz"))
        seat = Seat.objects.filter(agency=agencies[BELOW]).earliest("pk")
        for person in ("owner@topzz.example.com", "staffzz@example.com"):
            remove_seats(
                seats=[seat], on=date(2026, 3, 25), actor=person, now=NOON,
                reason="Written above",
            )  # fmt: skip

        page = below.client.get(page_of(seat))
        above = next(p for p in people if p.name.endswith(TOP.lower())).client

        assert "was removed as of 2026-03-25" in timeline_of(page)[1]
        assert "Written above" not in page.content.decode()
        assert "topzz" not in page.content.decode()
        assert (
            "owner@topzz.example.com removed"
            in timeline_of(above.get(page_of(seat)))[1]
        )

    def test_name_no_other_agent_to_an_agent(self, people):
        seat = Seat.objects.get(agent__external_id="homezz-2")

        page = people[4].client.get(page_of(seat))

        (line,) = timeline_of(page)
        assert line.endswith(
            "The seat was handed from another agent to Agent 2 homezz, from 2026-03-20 on"
        )

    def test_take_a_fixed_number_of_queries(self, agency):
        admin, seat = member(agency), seat_of("ana")
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                admin.get(page_of(seat))
            counts.append(len(queries))
            for n in range(8):
                on = date(2026, 4, 1 + n)
                remove_seats(seats=[seat], on=on, **BY)
        assert counts[0] == counts[1]


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


class TestRoles:
    def test_change_and_count_at_the_next_request(self, agencies, people):
        owner, admin = people[0].client, people[1].client
        row = Member.objects.get(agency=agencies[HOME], role="admin")
        before = admin.get("/agency/billing/document/").status_code

        page = owner.post(
            MEMBERS, choice("change_role", row, role="supervisor", apply="1")
        )
        done = confirm(owner, MEMBERS, choice("change_role", row, role="supervisor"))

        assert "becomes Supervisor of HOMEZZ" in effects_of(page)[0]
        assert messages_of(done) == ["admin@homezz.example.com is now Supervisor."]
        assert (before, admin.get("/agency/billing/document/").status_code) == (
            200,
            404,
        )

    def test_leave_an_owner(self, agencies, people):
        owner = Member.objects.get(agency=agencies[HOME], role="owner")

        page = confirm(
            people[0].client, MEMBERS, choice("change_role", owner, role="admin")
        )

        assert "HOMEZZ would have no owner" in page.content.decode()
        owner.refresh_from_db()
        assert owner.role == "owner"

    def test_of_an_agent_name_one_of_the_agency(self, agencies, people):
        row = Member.objects.get(agency=agencies[HOME], role="supervisor")
        agents = {
            code: Agent.objects.filter(agency=agencies[code]).earliest("pk")
            for code in (HOME, BELOW)
        }
        for agent in (None, agents[BELOW]):
            key = agent.pk if agent else ""
            confirm(
                people[0].client, MEMBERS,
                choice("change_role", row, role="agent", agent=key),
            )  # fmt: skip
            row.refresh_from_db()
            assert row.role == "supervisor"
        content = choice("change_role", row, role="agent", agent=agents[HOME].pk)
        confirm(people[0].client, MEMBERS, content)
        row.refresh_from_db()
        assert (row.role, row.agent) == ("agent", agents[HOME])

    def test_are_owners_affair_who_confirmed_who_they_are(self, agencies, people):
        row = Member.objects.get(agency=agencies[HOME], role="supervisor")
        content = choice("change_role", row, role="owner")
        stolen = confirmation(people[0].client, MEMBERS, content)
        for person in people[1:]:
            before = snapshot()
            person.client.post(MEMBERS, stolen)
            confirm(person.client, MEMBERS, content)
            assert snapshot() == before, person
        session = people[0].client.session
        session["account_authentication_methods"] = []
        session.save()
        answer = people[0].client.post(MEMBERS, stolen)
        assert "/reauthenticate/" in answer.headers["location"]


def test_staff_who_act_are_not_named(agency):
    """Not on a page of an agency, even where they wrote a reason."""
    User.objects.create_superuser("boss@example.com", "a b c")
    remove_seats(
        seats=[seat_of("ana")], on=TODAY, actor="boss@example.com", now=NOON,
        reason="Internal",
    )  # fmt: skip

    page = member(agency).get(page_of(seat_of("ana")))

    assert SeatVersion.objects.filter(actor="boss@example.com").exists()
    assert "boss" not in page.content.decode()
    assert "Internal" not in page.content.decode()
