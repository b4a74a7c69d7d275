"""What happened to seats and agents, as their pages tell members of agencies."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from seats.models import Seat, SeatVersion, User
from seats.roster.services.seats import (
    remove_seats,
)
from tests.build import (
    make_agency,
    make_agents,
    make_prices,
    make_seats,
)
from tests.downline import BELOW, TOP
from tests.members import (
    SEATS,
    agent_of,
    choice,
    member,
    seat_of,
)
from tests.staff import confirm

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


def timeline_of(answer: Any) -> list[str]:
    return [f"{event.on}: {event.text}" for event in answer.context["timeline"]]


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
