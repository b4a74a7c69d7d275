"""The seat changes of the demo, month by month, made by the real services."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from billing.accounts.models import Account
from billing.management.demo.cast import (
    FIRST_NAMES,
    LAST_NAMES,
    LEAVES,
    MOVES,
    MOVES_TO,
    PARTS,
    Part,
)
from seats.agencies.services import add_agency, set_upline
from seats.models import Agency, Agent, Seat
from seats.periods import next_month
from seats.roster.services import (
    add_agents,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
)

ACTOR = "demo"


@dataclass
class Story:
    """The state of the demo: its agencies, their seats, and a seeded random source."""

    month: date
    dice: random.Random
    agencies: dict[str, Agency] = field(default_factory=dict)
    seats: dict[str, list[Seat]] = field(default_factory=dict)
    _numbers: dict[str, Iterator[int]] = field(default_factory=dict)

    def hire(self, code: str, many: int, on: date) -> list[Seat]:
        """Add agents with a seat each, starting on a date."""
        numbers = self._numbers.setdefault(code, count(101))
        agents = [
            Agent(
                external_id=f"{code.lower()}{next(numbers)}",
                name=f"{self.dice.choice(FIRST_NAMES)} {self.dice.choice(LAST_NAMES)}",
                npn=str(self.dice.randrange(10**6, 10**8)),
            )
            for _ in range(many)
        ]
        now = morning(on, code)
        agents = add_agents(agency=self.agencies[code], agents=agents, now=now)
        seats = add_seats(agents=agents, on=on, actor=ACTOR, now=now)
        self.seats.setdefault(code, []).extend(seats)
        return seats

    def let_go(self, code: str, many: int, on: date) -> None:
        """Remove the seats of some agents on a date."""
        staying = [seat for seat in self.seats[code] if seat.removed_on is None]
        leaving = self.dice.sample(staying[1:], many)
        removed = remove_seats(seats=leaving, on=on, actor=ACTOR, now=morning(on, code))
        by_id = {seat.pk: seat for seat in removed}
        self.seats[code] = [by_id.get(seat.pk, seat) for seat in self.seats[code]]

    def hand_over(self, code: str, on: date, *, times: int) -> None:
        """Hand a seat over to a new agent, `times` times on the same date."""
        seat = self.seats[code][0]
        numbers = self._numbers[code]
        for _ in range(times):
            name = f"{self.dice.choice(FIRST_NAMES)} {self.dice.choice(LAST_NAMES)}"
            agent = Agent(external_id=f"{code.lower()}{next(numbers)}", name=name)
            now = morning(on, code)
            (to,) = add_agents(agency=self.agencies[code], agents=[agent], now=now)
            (seat,) = hand_over_seats(moves=[(seat, to)], on=on, actor=ACTOR, now=now)
        self.seats[code][0] = seat


def begin(story: Story) -> None:
    """Create the downline as of the start of the first month."""
    for part in PARTS:
        story.agencies[part.code] = _join(story, part)
        story.hire(part.code, part.agents, story.month)


def _join(story: Story, part: Part) -> Agency:
    now = datetime.combine(story.month, datetime.min.time(), UTC) + timedelta(days=1)
    agency = add_agency(
        code=part.code,
        name=part.name,
        zone=part.zone,
        currency="USD",
        upline=story.agencies.get(part.upline or ""),
        on=story.month,
        actor=ACTOR,
        now=now,
    )
    email = f"billing@{part.code.lower()}.example"
    Account.objects.filter(payer=agency).update(email=email)
    return agency


def first_month(story: Story) -> None:
    """Add, remove and hand over seats, one twice on a date; one agency leaves."""
    month = story.month
    story.hire("SUNRISE", 2, month.replace(day=10))
    story.let_go("SUNRISE", 2, month.replace(day=18))
    story.hand_over("LAKESIDE", month.replace(day=12), times=1)
    story.hand_over("REDROCK", month.replace(day=21), times=2)
    story.hire("BAYOU", 1, month.replace(day=15))
    story.let_go("LAKESIDE", 1, month.replace(day=25))
    remaining = len(story.seats[LEAVES]) - 1
    story.let_go(LEAVES, remaining, next_month(month))
    last = remove_seats(
        seats=story.seats[LEAVES][:1],
        on=next_month(month),
        actor=ACTOR,
        now=morning(next_month(month), LEAVES),
    )
    story.seats[LEAVES][:1] = last


def second_month(story: Story) -> None:
    """Add, remove and cancel seats; one agency moves to another upline."""
    month = next_month(story.month)
    story.hire("SUNRISE", 1, month.replace(day=3))
    story.let_go("SUNRISE", 1, month.replace(day=14))
    story.hire("REDROCK", 2, month.replace(day=8))
    story.let_go("REDROCK", 1, month.replace(day=20))
    story.hire("DESERT", 1, month.replace(day=11))
    (mistaken,) = story.hire("LAKESIDE", 1, month.replace(day=5))
    now = morning(month.replace(day=6), "LAKESIDE")
    cancel_seats(seats=[mistaken], actor=ACTOR, now=now, reason="Entered twice")
    story.seats["LAKESIDE"].remove(mistaken)
    set_upline(
        agency=story.agencies[MOVES],
        upline=story.agencies[MOVES_TO],
        on=month.replace(day=15),
        actor=ACTOR,
        now=morning(month.replace(day=15), MOVES),
    )


def backdate_removal(story: Story, now: datetime) -> Seat:
    """Backdate a removal by ten days, into the month that was billed already."""
    seat = next(s for s in story.seats[LEAVES] if s.agent.external_id.endswith("102"))
    on = next_month(story.month) - timedelta(days=10)
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
    zone = next(part.zone for part in PARTS if part.code == code)
    at_nine = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
    return (at_nine + timedelta(hours=9)).astimezone(UTC)
