"""Seats in bulk: what each service does, refuses, and asks of the database."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from seats.models import Seat, SeatHolding
from seats.roster.services.recording import AgentHasASeat
from seats.roster.services.refusals import (
    OtherAgency,
    SameAgency,
    SeatNamedTwice,
    SeatNotHeld,
    SeatNotRemoved,
)
from seats.roster.services.seats import (
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from tests.build import make_agency, make_agents, make_seats

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 15, tzinfo=UTC)
AUDIT: dict[str, Any] = {"actor": "owner", "now": NOW}
ON = date(2026, 3, 12)


def holders(day: date) -> dict[int, str]:
    """Who holds which seat on a date."""
    rows = SeatHolding.objects.filter(starts_on__lte=day).exclude(ends_on__lte=day)
    return dict(rows.values_list("seat", "agent__external_id"))


class TestHandOver:
    def test_many_at_once_and_a_chain_in_one_call(self):
        agency = make_agency()
        first, second = make_seats(agency, "ana", "ben")
        (cara,) = make_agents(agency, "cara")

        hand_over_seats(moves=[(first, second.agent), (second, cara)], on=ON, **AUDIT)

        assert holders(date(2026, 3, 11)) == {first.pk: "ana", second.pk: "ben"}
        assert holders(ON) == {first.pk: "ben", second.pk: "cara"}

    def test_refuses_two_seats_for_one_agent_and_changes_nothing(self):
        agency = make_agency()
        first, second = make_seats(agency, "ana", "ben")
        (cara,) = make_agents(agency, "cara")

        with pytest.raises(AgentHasASeat):
            hand_over_seats(moves=[(first, cara), (second, cara)], on=ON, **AUDIT)

        assert holders(ON) == {first.pk: "ana", second.pk: "ben"}

    def test_refuses_a_seat_named_twice(self):
        agency = make_agency()
        (seat,) = make_seats(agency, "ana")
        ben, cara = make_agents(agency, "ben", "cara")

        with pytest.raises(SeatNamedTwice):
            hand_over_seats(moves=[(seat, ben), (seat, cara)], on=ON, **AUDIT)

    def test_refuses_an_agent_of_another_agency(self):
        (seat,) = make_seats(make_agency(), "ana")
        (other,) = make_agents(make_agency("OTHER"), "ben")

        with pytest.raises(OtherAgency):
            hand_over_seats(moves=[(seat, other)], on=ON, **AUDIT)

    def test_refuses_a_date_on_which_nobody_held_it(self):
        agency = make_agency()
        (seat,) = make_seats(agency, "ana")
        (ben,) = make_agents(agency, "ben")
        (seat,) = remove_seats(seats=[seat], on=date(2026, 3, 10), **AUDIT)

        with pytest.raises(SeatNotHeld):
            hand_over_seats(moves=[(seat, ben)], on=ON, **AUDIT)


class TestTransfer:
    def test_moves_many_on_one_date_to_several_agencies(self):
        seats = make_seats(make_agency(), "ana", "ben")
        (ana,) = make_agents(make_agency("EAST"), "ana")
        (ben,) = make_agents(make_agency("WEST"), "ben")

        new = transfer_seats(moves=[(seats[0], ana), (seats[1], ben)], on=ON, **AUDIT)

        assert [seat.agency.code for seat in new] == ["EAST", "WEST"]
        assert [seat.added_on for seat in new] == [ON, ON]
        old = Seat.objects.filter(agency__code="SUNRISE")
        assert set(old.values_list("removed_on", flat=True)) == {ON}

    def test_keeps_a_planned_removal(self):
        (seat,) = make_seats(make_agency(), "ana")
        (ana,) = make_agents(make_agency("EAST"), "ana")
        end = date(2026, 4, 20)
        (seat,) = remove_seats(seats=[seat], on=end, **AUDIT)

        (new,) = transfer_seats(moves=[(seat, ana)], on=ON, **AUDIT)

        assert (new.added_on, new.removed_on) == (ON, end)

    def test_refuses_the_same_agency_and_the_first_date(self):
        agency = make_agency()
        (seat,) = make_seats(agency, "ana")
        (ben,) = make_agents(agency, "ben")
        (east,) = make_agents(make_agency("EAST"), "ana")

        with pytest.raises(SameAgency):
            transfer_seats(moves=[(seat, ben)], on=ON, **AUDIT)
        with pytest.raises(SeatNotHeld):
            transfer_seats(moves=[(seat, east)], on=seat.added_on, **AUDIT)


class TestReopen:
    def test_takes_removals_back(self):
        seats = make_seats(make_agency(), "ana", "ben")
        removed = remove_seats(seats=seats, on=ON, **AUDIT)

        reopen_seats(seats=removed, **AUDIT)

        assert set(Seat.objects.values_list("removed_on", flat=True)) == {None}

    def test_refuses_what_is_not_removed(self):
        seats = make_seats(make_agency(), "ana")

        with pytest.raises(SeatNotRemoved):
            reopen_seats(seats=seats, **AUDIT)


def _add(code: str, names: list[str]) -> Callable[[], object]:
    agents = make_agents(make_agency(code), *names)
    return lambda: add_seats(agents=agents, on=ON, **AUDIT)


def _remove(code: str, names: list[str]) -> Callable[[], object]:
    seats = make_seats(make_agency(code), *names)
    return lambda: remove_seats(seats=seats, on=ON, **AUDIT)


def _hand_over(code: str, names: list[str]) -> Callable[[], object]:
    agency = make_agency(code)
    seats = make_seats(agency, *names)
    agents = make_agents(agency, *[f"{name}-next" for name in names])
    moves = list(zip(seats, agents, strict=True))
    return lambda: hand_over_seats(moves=moves, on=ON, **AUDIT)


def _transfer(code: str, names: list[str]) -> Callable[[], object]:
    seats = make_seats(make_agency(code), *names)
    agents = make_agents(make_agency(f"{code}-TO"), *names)
    moves = list(zip(seats, agents, strict=True))
    return lambda: transfer_seats(moves=moves, on=ON, **AUDIT)


def _cancel(code: str, names: list[str]) -> Callable[[], object]:
    seats = make_seats(make_agency(code), *names)
    return lambda: cancel_seats(seats=seats, reason="mistake", **AUDIT)


def _reopen(code: str, names: list[str]) -> Callable[[], object]:
    seats = remove_seats(seats=make_seats(make_agency(code), *names), on=ON, **AUDIT)
    return lambda: reopen_seats(seats=seats, **AUDIT)


@pytest.mark.parametrize(
    "prepare", [_add, _remove, _hand_over, _transfer, _cancel, _reopen]
)
def test_many_seats_take_as_many_queries_as_two(prepare):
    few = prepare("FEW", ["ana", "ben"])
    many = prepare("MANY", [f"agent{n}" for n in range(60)])

    with CaptureQueriesContext(connection) as for_few:
        few()
    with CaptureQueriesContext(connection) as for_many:
        many()

    assert len(for_many) == len(for_few)
