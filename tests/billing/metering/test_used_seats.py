"""The law of used seats: a date on which a seat was used is billed, whatever follows.

Only staff with a reason can take such a date off the bill.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Q
from hypothesis import event, example, given
from hypothesis import strategies as st

from billing.metering.services.ingest import ingest_events
from core.errors import Refusal
from core.periods import billed_range
from seats.models import Agent, Seat, SeatHolding
from seats.roster.services.seats import (
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.build import call, make_agency, make_agents, make_prices
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
MARCH = date(2026, 3, 1)
HORIZON = date(2026, 5, 1)
NOW = datetime(2026, 4, 10, 12, tzinfo=UTC)
AGENCY: dict[str, Any] = {"actor": "agency", "now": NOW, "reason": "moved"}
STAFF: dict[str, Any] = {"actor": "staff", "now": NOW, "staff": True}  # no override

seats = st.integers(0, 5)
agents = st.integers(0, 7)
days = st.integers(0, 35)
by = st.sampled_from(["agency", "staff"])
changes = st.one_of(
    st.tuples(st.just("add"), by, agents, days),
    st.tuples(st.just("remove"), by, seats, days),
    st.tuples(st.just("hand_over"), by, seats, agents, days),
    st.tuples(st.just("transfer"), by, seats, agents, days),
    st.tuples(st.just("reopen"), by, seats),
    st.tuples(st.just("cancel"), by, seats),
)
uses = st.tuples(st.just("use"), st.just("agency"), agents, days)
BEGINNING = [("add", "agency", agent, 2 * agent) for agent in (0, 1, 4)]
histories = st.lists(
    st.one_of(uses, uses, changes, changes, changes), min_size=8, max_size=30
).map(lambda steps: [*BEGINNING, *steps])
FREE_BY_A_HAND_OVER = [
    ("add", "agency", 0, 0),
    *(("use", "agency", 0, day) for day in range(28)),
    ("hand_over", "agency", 0, 1, 0),
    ("cancel", "agency", 0),
]
FREE_BY_STAFF_AND_AGENCY = [
    ("add", "agency", 0, 0),
    ("use", "agency", 0, 5),
    ("hand_over", "staff", 0, 1, 0),
    ("hand_over", "agency", 0, 2, 5),
    ("remove", "agency", 0, 4),
    ("cancel", "staff", 0),
]
ONE_DAY_SEATS = [
    step
    for day in range(10)
    for step in (
        ("add", "agency", 0, day),
        ("use", "agency", 0, day),
        ("cancel", "agency", day),
    )
]
EVERY_OTHER_DAY = [
    step
    for day in range(0, 10, 2)
    for step in (
        ("add", "agency", 0, day),
        ("use", "agency", 0, day),
        ("use", "agency", 0, day + 1),
        ("remove", "agency", day // 2, day + 1),
    )
]


class Roster:
    """Two agencies with four agents each, and which seats were used on which dates."""

    def __init__(self) -> None:
        self.agents = [
            agent
            for code in ("ALPHA", "BRAVO")
            for agent in make_agents(make_agency(code), *"abcd")
        ]
        self.seats: list[Seat] = []
        self.used: set[tuple[int, date]] = set()
        self._calls = 0

    def play(self, step: tuple[Any, ...]) -> None:
        """Play a step; one that a service refuses changes nothing."""
        kind, who, *details = step
        permissions = AGENCY if who == "agency" else STAFF
        before = Seat.objects.count()
        try:
            getattr(self, f"_{kind}")(permissions, *details)
        except Refusal as refusal:
            event(f"refused {refusal.code}")
            return
        event(kind)
        if Seat.objects.count() > before:
            self.seats = list(Seat.objects.order_by("pk"))

    def _seat(self, n: int) -> Seat:
        return Seat.objects.get(pk=self.seats[n % len(self.seats)].pk)

    def _add(self, permissions: dict[str, Any], agent: int, day: int) -> None:
        add_seats(agents=[self.agents[agent]], on=_day(day), **permissions)

    def _remove(self, permissions: dict[str, Any], seat: int, day: int) -> None:
        remove_seats(seats=[self._seat(seat)], on=_day(day), **permissions)

    def _hand_over(
        self, permissions: dict[str, Any], seat: int, agent: int, day: int
    ) -> None:
        moves = [(self._seat(seat), self.agents[agent])]
        hand_over_seats(moves=moves, on=_day(day), **permissions)

    def _transfer(
        self, permissions: dict[str, Any], seat: int, agent: int, day: int
    ) -> None:
        moves = [(self._seat(seat), self.agents[agent])]
        transfer_seats(moves=moves, on=_day(day), **permissions)

    def _reopen(self, permissions: dict[str, Any], seat: int) -> None:
        reopen_seats(seats=[self._seat(seat)], **permissions)

    def _cancel(self, permissions: dict[str, Any], seat: int) -> None:
        seats = [self._seat(seat)]
        cancel_seats(
            seats=seats, **{**permissions, "reason": permissions.get("reason", "")}
        )

    def _use(self, permissions: dict[str, Any], agent: int, day: int) -> None:
        """A call; it uses the seat that its agent holds that day, if any."""
        self._calls += 1
        caller, on = self.agents[agent], _day(day)
        (result,) = ingest_events(
            [
                call(
                    caller.agency.code,
                    agent=caller.external_id,
                    id=f"call-{self._calls}",
                    occurred_at=datetime(2026, 3, 1, 16, tzinfo=UTC)
                    + timedelta(days=day),
                )
            ],
            owner=0,
            now=NOW,
        )
        assert result.status == "accepted"
        self.used |= {(seat_id, on) for seat_id in _held(caller, on)}


def _day(day: int) -> date:
    return MARCH + timedelta(days=day)


def _held(agent: Agent, on: date) -> list[int]:
    holdings = SeatHolding.objects.filter(agent=agent, starts_on__lte=on)
    still = holdings.filter(Q(ends_on=None) | Q(ends_on__gt=on))
    return list(still.values_list("seat", flat=True))


def by_agency_and_month(days: set[tuple[int, date]]) -> Counter[tuple[int, int]]:
    agencies = dict(Seat.objects.values_list("pk", "agency"))
    return Counter((agencies[seat_id], day.month) for seat_id, day in days)


def billed_days() -> set[tuple[int, date]]:
    days = set()
    for seat in Seat.objects.filter(cancelled=False):
        dates = billed_range(seat.added_on, seat.removed_on)
        day = dates.start
        while day < min(dates.end or HORIZON, HORIZON):
            days.add((seat.pk, day))
            day += timedelta(days=1)
    return days


@pytest.fixture
def prices(db: None) -> None:
    make_prices()


@pytest.fixture
def played(prices: None) -> Callable[[list[tuple[Any, ...]]], Roster]:
    def play(steps: list[tuple[Any, ...]]) -> Roster:
        roster = Roster()
        for step in steps:
            roster.play(step)
        return roster

    return play


class TestUsedSeatDays:
    @given(histories)
    @example(FREE_BY_A_HAND_OVER)
    @example(FREE_BY_STAFF_AND_AGENCY)
    @example(ONE_DAY_SEATS)
    @example(EVERY_OTHER_DAY)
    @EXAMPLES
    def test_are_billed_whatever_anybody_does_without_a_waiver(self, played, steps):
        with rolled_back():
            roster = played(steps)
            used = by_agency_and_month(roster.used)
            billed = by_agency_and_month(billed_days())

            assert roster.used <= billed_days()
            assert all(billed[key] >= count for key, count in used.items())
