"""Members undo the last change of a seat within a day, and see first what that does."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from seats.models import Agent, Seat
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
from tests.downline import BELOW, HOME
from tests.members import (
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


def undo(client: Any, *seats: Seat, **content: Any) -> Any:
    return confirm(client, SEATS, choice("undo", *seats, **content))


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

        refused = supervisor.post(SEATS, choice("undo", ben))
        forced = undo(supervisor, ben)
        done = undo(supervisor, ana)

        assert "You may undo hand-overs alone" in refused.content.decode()
        assert "USD" not in refused.content.decode()
        assert forced.status_code == 404
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

        page = below.client.post(SEATS, choice("undo", moved[1]))
        undo(below.client, moved[1])

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
