"""Members change agents and seats at `/agency/`, and see first what it costs."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry

from billing.accounts.services import set_payer_shares
from billing.invoicing.services.previews import preview_documents
from seats.models import Agency, Agent, Seat, SeatVersion
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
from tests.staff import confirm, confirmation

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
NOON = datetime(2026, 3, 17, 16, tzinfo=UTC)  # 17 March in New York


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


def invoice_total(agency: Agency) -> Any:
    documents = preview_documents(payer=agency, month=date(2026, 3, 1), now=NOON)
    return sum(line.amount for document in documents for line in document.lines)


class TestAdding:
    def test_agents_says_what_it_costs_and_the_bill_says_the_same(self, agency):
        admin = member(agency)
        content = {
            "agency": agency.pk, "on": "2026-03-18", "reason": "",
            "agents": "dan, Dan Diaz, dan@example.com, 123\neve\tEve Ek",
        }  # fmt: skip
        before = invoice_total(agency)

        page = admin.post(ADD, {**content, "apply": "1"})
        nothing = Agent.objects.count()
        done = confirm(admin, ADD, content)

        sentence = (
            "Invoice of SUNRISE for March 2026: +45.16 USD, from 100.00 USD to 145.16"
            " USD as of now."
        )
        assert sentence in effects_of(page)
        assert any("April 2026: +100.00 USD" in line for line in effects_of(page))
        assert nothing == 3
        assert messages_of(done) == ["2 agents: added with seats."]
        assert str(invoice_total(agency) - before) == "45.16"
        dan = agent_of("dan")
        assert (dan.name, dan.email, dan.npn) == ("Dan Diaz", "dan@example.com", "123")
        assert seat_of("eve").added_on == date(2026, 3, 18)
        version = SeatVersion.objects.get(seat=seat_of("dan"))
        assert version.actor == "admin@sunrise.example.com"
        (entry,) = LogEntry.objects.filter(object_id=str(dan.pk))
        assert entry.user.email == "admin@sunrise.example.com"

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("dan", "has 1 columns"),
            ("dan, Dan, nowhere", "Enter a valid email address"),
            ("dan, Dan, , 12x", "An NPN has up to 10 digits"),
            (", Dan", "cannot be blank"),
            ("ana, Ana again", "already has an agent"),
            ("dan, Dan\ndan, Dan", "have the same external_id"),
        ],
    )
    def test_agents_with_a_line_that_is_wrong_says_so(self, agency, line, problem):
        admin = member(agency)
        content = {"agency": agency.pk, "agents": line, "on": "", "reason": ""}

        page = confirm(admin, ADD, content)

        assert problem in page.content.decode()
        assert line.split("\n")[0] in page.content.decode()  # what was typed is kept
        assert Agent.objects.count() == 3

    def test_agents_without_seats_is_all_that_a_supervisor_may(self, agency):
        supervisor = member(agency, "supervisor")
        content = {
            "agency": agency.pk, "agents": "dan, Dan", "on": "2026-03-18", "reason": "",
        }  # fmt: skip

        page = supervisor.get(ADD).content.decode()
        done = confirm(supervisor, ADD, content)

        assert 'name="on"' not in page
        assert "USD" not in page
        assert messages_of(done) == ["Dan: added."]
        assert not agent_of("dan").seats.exists()

    def test_a_seat_for_agents_on_the_list(self, agency):
        admin = member(agency)
        first = admin.post(AGENTS, choice("add_a_seat", agent_of("cleo")))

        done = confirm(
            admin, AGENTS, choice("add_a_seat", agent_of("cleo"), on="2026-03-17")
        )

        assert any("March 2026: +24.19 USD" in line for line in effects_of(first))
        assert messages_of(done) == ["Seat of Cleo: added from 2026-03-17 on."]

    def test_a_seat_beside_another_is_refused_before_it_is_confirmed(self, agency):
        page = confirm(
            member(agency),
            AGENTS,
            choice("add_a_seat", agent_of("ana"), on="2026-03-17"),
        )

        assert "ana already holds seat" in page.content.decode()
        assert Seat.objects.count() == 2


class TestRemoving:
    def test_shows_the_effect_and_is_undone_by_reopening(self, agency):
        admin = member(agency)
        first = admin.post(SEATS, choice("remove", seat_of("ana")))

        removed = confirm(
            admin, SEATS, choice("remove", seat_of("ana"), on="2026-03-17")
        )
        again = admin.post(SEATS, choice("reopen", seat_of("ana")))
        reopened = confirm(admin, SEATS, choice("reopen", seat_of("ana")))

        minus = "\N{MINUS SIGN}24.19 USD, from 100.00 USD to 75.81 USD"
        assert any(minus in line for line in effects_of(first))
        assert messages_of(removed) == ["Seat of Ana: removed as of 2026-03-17."]
        assert any("+24.19 USD" in line for line in effects_of(again))
        assert messages_of(reopened) == ["Seat of Ana: re-opened."]
        assert seat_of("ana").removed_on is None

    def test_on_a_date_ahead_is_a_planned_end(self, agency):
        admin = member(agency)

        confirm(admin, SEATS, choice("remove", seat_of("ana"), on="2026-12-15"))

        assert seat_of("ana").removed_on == date(2026, 12, 15)

    def test_goes_back_as_far_as_the_limit_and_no_further(self, agency, settings):
        admin = member(agency)
        settings.BILLING = {**settings.BILLING, "BACKDATE_DAYS": 10}

        early = confirm(admin, SEATS, choice("remove", seat_of("ana"), on="2026-03-06"))
        version = seat_of("ana").version
        confirm(admin, SEATS, choice("remove", seat_of("ana"), on="2026-03-07"))

        assert "2026-03-06 is more than 10 days back" in early.content.decode()
        assert version == 1
        assert seat_of("ana").removed_on == date(2026, 3, 7)

    def test_gives_no_used_date_away_even_with_a_reason(self, agency):
        use(call(agent="ana"))  # on 10 March
        content = choice("remove", seat_of("ana"), on="2026-03-05", reason="Please")

        page = confirm(member(agency), SEATS, content)

        assert "was used on 2026-03-10" in page.content.decode()
        assert seat_of("ana").removed_on is None


class TestHandingOver:
    def test_costs_nothing_and_swaps_two_holders(self, agency):
        admin, ana, ben = member(agency), seat_of("ana"), seat_of("ben")
        content = choice(
            "hand_over", ana, ben, on="2026-03-17",
            **{f"agent_{ana.pk}": ben.agent_id, f"agent_{ben.pk}": ana.agent_id},
        )  # fmt: skip

        page = admin.post(SEATS, {**content, "apply": "1"})
        done = confirm(admin, SEATS, content)

        assert "Your invoices of this month and the next stay the same." in (
            effects_of(page)
        )
        assert messages_of(done) == ["2 seats: handed over from 2026-03-17 on."]
        ana.refresh_from_db()
        assert ana.agent.external_id == "ben"

    def test_shows_no_money_to_a_supervisor(self, agency):
        seat = seat_of("ana")
        content = choice(
            "hand_over", seat, on="2026-03-17",
            **{f"agent_{seat.pk}": agent_of("cleo").pk},
        )  # fmt: skip

        page = confirm(member(agency, "supervisor"), SEATS, content)

        assert messages_of(page) == [
            "Seat of Ana: handed over to Cleo from 2026-03-17 on."
        ]
        assert "USD" not in page.content.decode()
        seat.refresh_from_db()
        assert seat.agent.external_id == "cleo"


class TestCancelling:
    def test_needs_a_reason_and_takes_all_of_it_off_the_bill(self, agency):
        admin = member(agency)
        without = confirm(admin, SEATS, choice("cancel", seat_of("ana")))
        done = confirm(admin, SEATS, choice("cancel", seat_of("ana"), reason="A typo"))

        assert "This field is required" in without.content.decode()
        assert messages_of(done) == ["Seat of Ana: cancelled."]
        assert str(invoice_total(agency)) == "50.00"

    def test_of_a_used_seat_cannot_be_confirmed(self, agency):
        use(call(agent="ana"))

        page = member(agency).post(SEATS, choice("cancel", seat_of("ana")))

        assert not page.context["can_change"]
        assert "was used on 2026-03-10" in effects_of(page)[0]


class TestTransfers:
    def test_go_to_agencies_within_reach_and_show_both_invoices(self, agencies, people):
        admin = people[1].client
        seat = Seat.objects.filter(agency=agencies[HOME]).earliest("pk")
        to = Agent.objects.create(
            agency=agencies[BELOW], external_id="new", name="New", created_at=MARCH_1
        )
        content = choice(
            "transfer", seat, on="2026-03-21", **{f"agent_{seat.pk}": to.pk}
        )

        page = admin.post(SEATS, {**content, "apply": "1"})
        done = confirm(admin, SEATS, content)

        lines = " ".join(effects_of(page))
        assert f"Invoice of {HOME}" in lines
        assert f"Invoice of {BELOW}" in lines
        assert messages_of(done) == [
            "Seat of Agent 2 homezz: transferred to New from 2026-03-21 on."
        ]
        assert Seat.objects.get(agent=to).transferred_from == seat


class TestInvoices:
    def test_of_who_pays_from_above_are_not_shown_below(self, agencies, people):
        """HOMEZZ pays for BELOWZZ: what BELOWZZ sees is the price of its own seats."""
        set_payer_shares(
            agency=agencies[BELOW], shares={agencies[HOME]: Decimal(100)},
            starts_on=date(2026, 4, 1), actor="test", now=NOON,
        )  # fmt: skip
        below = next(p for p in people if p.name.endswith("belowzz")).client
        seat = Seat.objects.filter(agency=agencies[BELOW]).latest("pk")

        content = {**choice("remove", seat, on="2026-04-11"), "apply": "1"}
        page = below.post(SEATS, content)
        above = people[0].client.post(SEATS, content)

        assert "homezz" not in page.content.decode().lower()
        assert "Your invoices of this month and the next stay the same." in (
            effects_of(page)
        )
        assert any(f"Invoice of {HOME} for April 2026" in e for e in effects_of(above))


class TestConfirmations:
    def test_sent_twice_are_done_once(self, agency):
        admin = member(agency)
        content = confirmation(
            admin, SEATS, choice("remove", seat_of("ana"), on="2026-03-17")
        )

        first = admin.post(SEATS, content, follow=True)
        second = admin.post(SEATS, content, follow=True)

        assert messages_of(first) == ["Seat of Ana: removed as of 2026-03-17."]
        assert "Nothing has changed yet" in second.content.decode()
        assert seat_of("ana").version == 2
