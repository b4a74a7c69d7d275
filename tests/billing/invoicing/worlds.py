"""Random histories of a small downline, for the laws.

A step is drawn as small numbers, which are mapped to what exists at that point; a step
that the services refuse does not happen.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import event
from hypothesis import strategies as st

from billing.accounts.services import set_payer_shares
from billing.invoicing.models.documents import Document
from billing.invoicing.services.documents import void_document
from billing.metering.domain.events import IncomingEvent
from billing.metering.models import UsageEvent
from billing.metering.services.ingest import ingest_events
from core.errors import Refusal
from core.periods import next_month
from seats.agencies.services import change_zone
from seats.models import Agency, Agent, CutoffCounter, Seat
from seats.roster.services.seats import (
    add_agents,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from tests.build import bill, make_agency, make_other_prices, make_prices

ZONES = ["America/New_York", "America/Los_Angeles", "Europe/London"]
CODES = ["ALPHA", "BRAVO", "CHARLIE"]
START = date(2026, 3, 1)  # clocks change on the 8th in America, on the 29th in London
MONTHS = [date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)]
LATEST = datetime(2026, 6, 3, 12, tzinfo=UTC)
CLOCKS_CHANGE = [date(2026, 3, 8), date(2026, 3, 29)]
# The position of the day in the details of a step.
DATED = {"add": 1, "remove": 1, "hand_over": 1, "transfer": 2, "use": 1, "share": 1}
METERS = ["voice.out", "sms.segment", "ai.minute"]

agencies = st.integers(0, 2)
# The days the clocks change, the edges of months, and any other.
days = st.sampled_from([7, 28, 30, 31, 60, 61]) | st.integers(0, 91)
seats = st.integers(0, 9)
zones = st.tuples(st.just("zone"), agencies, st.integers(0, 2), st.integers(1, 2))
seat_facts = st.one_of(
    st.tuples(st.just("add"), agencies, days),
    st.tuples(st.just("remove"), seats, days),
    st.tuples(st.just("hand_over"), seats, days),
    st.tuples(st.just("transfer"), seats, agencies, days),
    st.tuples(st.just("reopen"), seats),
    st.tuples(st.just("cancel"), seats),
)
uses = st.tuples(
    st.just("use"), agencies, days, st.integers(0, 23), st.integers(0, 2),
    st.integers(0, 400_000),
)  # fmt: skip
# An event that was sent, and its new quantity.
supersedes = st.tuples(
    st.just("supersede"), st.integers(0, 19), st.just(0) | st.integers(0, 400_000)
)
facts = st.one_of(seat_facts, seat_facts, uses, uses, supersedes, zones)
shares = st.tuples(st.just("share"), agencies, days, st.integers(1, 99), agencies)
closes = st.tuples(st.just("close"), st.integers(0, 2))
voids = st.tuples(st.just("void"), st.integers(0, 9))


@dataclass
class World:
    """A small downline, and what has happened in it."""

    agencies: list[Agency] = field(default_factory=list)
    seats: list[Seat] = field(default_factory=list)
    used: list[IncomingEvent] = field(default_factory=list)
    _next: int = 0

    def begin(self) -> "World":
        """Two seats at each agency, so that there is something to change."""
        make_prices()
        make_other_prices(starts_on=MONTHS[1])
        now = datetime(2026, 3, 1, 13, tzinfo=UTC)
        self.agencies = [
            make_agency(code, zone=zone, now=now)
            for code, zone in zip(CODES, ZONES, strict=True)
        ]
        for n in range(2 * len(CODES)):
            self._add(n % len(CODES), 11 * n)
        return self

    def again(self) -> "World":
        """The same beginning for one more history."""
        return World(agencies=[*self.agencies], seats=[*self.seats], _next=self._next)

    def play(self, step: tuple[Any, ...]) -> None:
        """Do a step; a refusal means that it does not happen.

        Hypothesis prints the share of examples with each kind of step.
        """
        kind, *details = step
        try:
            getattr(self, f"_{kind}")(*details)
        except Refusal as refusal:
            event(f"refused {refusal.code}")
        else:
            event(kind)
            for mark in self._remarkable(step):
                event(mark)

    def _remarkable(self, step: tuple[Any, ...]) -> set[str]:
        """What makes a step worth having among the examples."""
        kind, *details = step
        if kind not in DATED:
            return set()
        day = _day(details[DATED[kind]])
        marks = {
            "on a day the clocks change": day in CLOCKS_CHANGE,
            "at the edge of a month": (day + timedelta(days=1)).day <= 2,
            "in a closed month": any(
                day < next_month(through)
                for through in CutoffCounter.objects.values_list(
                    "closed_through", flat=True
                )
                if through
            ),
        }
        return {mark for mark, applies in marks.items() if applies}

    def _actor(self) -> dict[str, Any]:
        return {"actor": "law", "now": LATEST, "reason": "law", "staff": True}

    def _agent(self, agency: Agency) -> Agent:
        self._next += 1
        agent = Agent(external_id=f"agent{self._next}", name="Somebody")
        return add_agents(agency=agency, agents=[agent], now=LATEST)[0]

    def _seat(self, n: int) -> Seat:
        if not self.seats:
            raise Refusal("no seat yet")
        return Seat.objects.get(pk=self.seats[n % len(self.seats)].pk)

    def _add(self, agency: int, day: int) -> None:
        agent = self._agent(self.agencies[agency])
        self.seats += add_seats(agents=[agent], on=_day(day), **self._actor())

    def _remove(self, seat: int, day: int) -> None:
        remove_seats(seats=[self._seat(seat)], on=_day(day), **self._actor())

    def _hand_over(self, seat: int, day: int) -> None:
        handed_over = self._seat(seat)
        to = self._agent(handed_over.agency)
        hand_over_seats(moves=[(handed_over, to)], on=_day(day), **self._actor())

    def _transfer(self, seat: int, agency: int, day: int) -> None:
        to = self._agent(self.agencies[agency])
        moves = [(self._seat(seat), to)]
        self.seats += transfer_seats(moves=moves, on=_day(day), **self._actor())

    def _zone(self, agency: int, zone: int, month: int) -> None:
        """Changed before the month begins, and so before its facts."""
        moved = self.agencies[agency]
        if UsageEvent.objects.filter(agency=moved).exists():
            raise Refusal("used already")
        change_zone(
            agency=moved, zone=ZONES[zone], starts_on=MONTHS[month], actor="law",
            now=datetime(2026, 3, 2, 13, tzinfo=UTC),
        )  # fmt: skip

    def _reopen(self, seat: int) -> None:
        reopen_seats(seats=[self._seat(seat)], **self._actor())

    def _cancel(self, seat: int) -> None:
        cancel_seats(seats=[self._seat(seat)], **self._actor())

    def _use(self, agency: int, day: int, hour: int, meter: int, quantity: int) -> None:
        self._next += 1
        self._send(
            IncomingEvent(
                source="/law",
                id=f"event{self._next}",
                agency=CODES[agency],
                agent=None,
                meter=METERS[meter],
                quantity=_quantity(METERS[meter], quantity),
                occurred_at=datetime(2026, 3, 1, tzinfo=UTC)
                + timedelta(days=day, hours=hour, minutes=30),
            )
        )

    def _supersede(self, n: int, quantity: int) -> None:
        """Change an event's quantity or take it back; each event at most once."""
        if not self.used:
            raise Refusal("no event yet")
        self._next += 1
        superseded = self.used[n % len(self.used)]
        self._send(
            replace(
                superseded,
                id=f"event{self._next}",
                quantity=_quantity(superseded.meter, quantity),
                supersedes=superseded.id,
            )
        )

    def take_all_back(self) -> None:
        """Supersede every event that still counts with a quantity of 0."""
        superseded = {event.supersedes for event in self.used}
        for n, sent in enumerate([*self.used]):
            if sent.id not in superseded:
                self._supersede(n, 0)

    def _send(self, sent: IncomingEvent) -> None:
        (verdict,) = ingest_events([sent], owner=0, now=LATEST)
        if verdict.status != "accepted":
            raise Refusal(verdict.message)
        self.used.append(sent)

    def _share(self, agency: int, day: int, percent: int, payer: int) -> None:
        own, other = self.agencies[agency], self.agencies[payer]
        parts = {own: Decimal(percent), other: Decimal(100 - percent)}
        if own == other:
            parts = {own: Decimal(100)}
        set_payer_shares(
            agency=own, shares=parts, starts_on=_day(day), actor="law", now=LATEST
        )

    def _close(self, month: int) -> None:
        bill(MONTHS[month], now=LATEST)

    def _void(self, n: int) -> None:
        documents = list(Document.objects.order_by("pk"))
        if not documents:
            raise Refusal("no document yet")
        document = documents[n % len(documents)]
        void_document(document_id=document.pk, actor="law", reason="law", now=LATEST)


def _quantity(meter: str, quantity: int) -> Decimal:
    return Decimal(quantity % 5_000 if meter == "voice.out" else quantity % 86_400)


def _day(day: int) -> date:
    return START + timedelta(days=day)
