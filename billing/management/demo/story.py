"""The seat changes of the demo, month by month, made by the real services."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from billing.accounts.models import BillingAccount
from billing.management.demo.cast import (
    DEMO_AGENCIES,
    FIRST_NAMES,
    LAST_NAMES,
    LEAVING_AGENCY,
    MOVING_AGENCY,
    NEW_UPLINE,
    DemoAgency,
)
from core.periods import next_month
from seats.agencies.services import add_agency, set_upline
from seats.models import Agency, Agent, Seat
from seats.roster.services.seats import (
    add_agents,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
)

ACTOR = "demo"


@dataclass
class DemoState:
    """The state of the demo: its agencies, their seats, and a seeded random source."""

    month: date
    rng: random.Random
    agencies: dict[str, Agency] = field(default_factory=dict)
    seats: dict[str, list[Seat]] = field(default_factory=dict)
    _numbers: dict[str, Iterator[int]] = field(default_factory=dict)

    def hire(self, code: str, number: int, on: date) -> list[Seat]:
        """Add agents with a seat each, starting on a date."""
        numbers = self._numbers.setdefault(code, count(101))
        agents = [
            Agent(
                external_id=f"{code.lower()}{next(numbers)}",
                name=f"{self.rng.choice(FIRST_NAMES)} {self.rng.choice(LAST_NAMES)}",
                npn=str(self.rng.randrange(10**6, 10**8)),
            )
            for _ in range(number)
        ]
        now = morning(on, code)
        agents = add_agents(agency=self.agencies[code], agents=agents, now=now)
        seats = add_seats(agents=agents, on=on, actor=ACTOR, now=now)
        self.seats.setdefault(code, []).extend(seats)
        return seats

    def remove_some_seats(self, code: str, number: int, on: date) -> None:
        """Remove the seats of some agents on a date."""
        staying = [seat for seat in self.seats[code] if seat.removed_on is None]
        leaving = self.rng.sample(staying[1:], number)
        removed = remove_seats(seats=leaving, on=on, actor=ACTOR, now=morning(on, code))
        by_id = {seat.pk: seat for seat in removed}
        self.seats[code] = [by_id.get(seat.pk, seat) for seat in self.seats[code]]

    def hand_over(self, code: str, on: date, *, times: int) -> None:
        """Hand a seat over to a new agent, `times` times on the same date."""
        seat = self.seats[code][0]
        numbers = self._numbers[code]
        for _ in range(times):
            name = f"{self.rng.choice(FIRST_NAMES)} {self.rng.choice(LAST_NAMES)}"
            agent = Agent(external_id=f"{code.lower()}{next(numbers)}", name=name)
            now = morning(on, code)
            (to,) = add_agents(agency=self.agencies[code], agents=[agent], now=now)
            (seat,) = hand_over_seats(moves=[(seat, to)], on=on, actor=ACTOR, now=now)
        self.seats[code][0] = seat


def create_downline(state: DemoState) -> None:
    """Create the downline as of the start of the first month."""
    for demo_agency in DEMO_AGENCIES:
        state.agencies[demo_agency.code] = _join(state, demo_agency)
        state.hire(demo_agency.code, demo_agency.agents, state.month)


def _join(state: DemoState, demo_agency: DemoAgency) -> Agency:
    now = datetime.combine(state.month, datetime.min.time(), UTC) + timedelta(days=1)
    agency = add_agency(
        code=demo_agency.code,
        name=demo_agency.name,
        zone=demo_agency.zone,
        currency="USD",
        upline=state.agencies.get(demo_agency.upline or ""),
        on=state.month,
        actor=ACTOR,
        now=now,
    )
    email = f"billing@{demo_agency.code.lower()}.example"
    BillingAccount.objects.filter(payer=agency).update(email=email)
    return agency


def change_first_month(state: DemoState) -> None:
    """Add, remove and hand over seats, one twice on a date; one agency leaves."""
    month = state.month
    state.hire("SUNRISE", 2, month.replace(day=10))
    state.remove_some_seats("SUNRISE", 2, month.replace(day=18))
    state.hand_over("LAKESIDE", month.replace(day=12), times=1)
    state.hand_over("REDROCK", month.replace(day=21), times=2)
    state.hire("BAYOU", 1, month.replace(day=15))
    state.remove_some_seats("LAKESIDE", 1, month.replace(day=25))
    remaining = len(state.seats[LEAVING_AGENCY]) - 1
    state.remove_some_seats(LEAVING_AGENCY, remaining, next_month(month))
    last = remove_seats(
        seats=state.seats[LEAVING_AGENCY][:1],
        on=next_month(month),
        actor=ACTOR,
        now=morning(next_month(month), LEAVING_AGENCY),
    )
    state.seats[LEAVING_AGENCY][:1] = last


def change_second_month(state: DemoState) -> None:
    """Add, remove and cancel seats; one agency moves to another upline."""
    month = next_month(state.month)
    state.hire("SUNRISE", 1, month.replace(day=3))
    state.remove_some_seats("SUNRISE", 1, month.replace(day=14))
    state.hire("REDROCK", 2, month.replace(day=8))
    state.remove_some_seats("REDROCK", 1, month.replace(day=20))
    state.hire("DESERT", 1, month.replace(day=11))
    (mistaken,) = state.hire("LAKESIDE", 1, month.replace(day=5))
    now = morning(month.replace(day=6), "LAKESIDE")
    cancel_seats(seats=[mistaken], actor=ACTOR, now=now, reason="Entered twice")
    state.seats["LAKESIDE"].remove(mistaken)
    set_upline(
        agency=state.agencies[MOVING_AGENCY],
        upline=state.agencies[NEW_UPLINE],
        on=month.replace(day=15),
        actor=ACTOR,
        now=morning(month.replace(day=15), MOVING_AGENCY),
    )


def backdate_removal(state: DemoState, now: datetime) -> Seat:
    """Backdate a removal by ten days, into the month that was billed already."""
    seat = next(
        s for s in state.seats[LEAVING_AGENCY] if s.agent.external_id.endswith("102")
    )
    on = next_month(state.month) - timedelta(days=10)
    remove_seats(
        seats=[seat],
        on=on,
        actor=ACTOR,
        now=now,
        staff=True,
        reason="The agency told us late",
    )
    return seat


def morning(day: date, code: str) -> datetime:
    """Nine in the morning of an agency's local date, in UTC."""
    zone = next(
        demo_agency.zone for demo_agency in DEMO_AGENCIES if demo_agency.code == code
    )
    at_nine = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
    return (at_nine + timedelta(hours=9)).astimezone(UTC)
