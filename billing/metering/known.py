"""What the events of a batch refer to: names, dates and prices, read once.

A batch has many events and few names, quarters of an hour and quantities, so whatever
they share is worked out once and looked up.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from billing.metering.events import IncomingEvent, IngestResult, rejected
from billing.metering.models import ArchivedMonth
from billing.money import plain
from billing.pricing.models import Meter
from billing.pricing.queries import price_lists_for
from billing.pricing.rating import PriceListTerms, RateTerms, billable_raw
from seats.arrays import text_array
from seats.periods import ZonePeriod, local_date, month_of, next_month

CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = date(2000, 1, 1)
MOST_QUANTITIES = 50_000  # remembered for a rate; calls have some thousands
TWO_DAYS = timedelta(days=2)
SECONDS = 86_400  # of a day
# Where dates are looked at: each quarter of an hour has one change, or at its start.
LOOKS = sorted([*range(0, SECONDS, 900), *range(899, SECONDS, 900)])


class AgencyContext(NamedTuple):
    """What events of an agency need to know."""

    id: int
    currency: str
    closed_through: date | None
    zones: str


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What the agency, agent and meter of an event stand for; one object for each."""

    agency: AgencyContext
    agent_id: int | None
    meter_id: int
    raw_unit: str


class Quantity(NamedTuple):
    """A quantity in one spelling, and what of it is billable, in raw units."""

    raw: str
    billable: Decimal


class CountedQuantities(dict[Decimal, Quantity]):
    """What quantities count as under one rate, worked out once for each."""

    def __init__(self, terms: RateTerms) -> None:
        super().__init__()
        self.terms = terms

    def __missing__(self, raw: Decimal) -> Quantity:
        if len(self) >= MOST_QUANTITIES:
            self.clear()
        counted = self[raw] = Quantity(plain(raw), billable_raw(raw, self.terms))
        return counted


@lru_cache(maxsize=64)
def counted_quantities_for(terms: RateTerms) -> CountedQuantities:
    """Shared by all batches: what a quantity counts as follows from the rate alone."""
    return CountedQuantities(terms)


@dataclass
class BatchContext:
    """The names that a batch uses, read once, and caches of what was computed."""

    agencies: Mapping[str, AgencyContext]
    agents: Mapping[tuple[str, str], int]
    meters: Mapping[str, tuple[int, str]]
    lists: Mapping[tuple[str, date], PriceListTerms]
    archived: Collection[date]
    now: datetime
    _places: dict[tuple[str, str | None, str], Attribution | IngestResult] = field(
        default_factory=dict
    )
    _quantities: dict[tuple[str, str, date], CountedQuantities | None] = field(
        default_factory=dict
    )
    _oldest: dict[str, date] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.latest = self.now + CLOCK_SKEW

    def place(self, event: IncomingEvent) -> Attribution | IngestResult:
        """What the names of an event stand for, or which is unknown."""
        names = (event.agency, event.agent, event.meter)
        place = self._places.get(names)
        if place is None:
            place = self._places[names] = self._find_place(*names)
        return place

    def _find_place(
        self, code: str, agent: str | None, meter: str
    ) -> Attribution | IngestResult:
        agency = self.agencies.get(code)
        if agency is None:
            return rejected("unknown_agency", "agency", f"Unknown agency {code}.")
        if meter not in self.meters:
            return rejected("unknown_meter", "meter", f"Unknown meter {meter}.")
        agent_id = self.agents.get((code, agent)) if agent else None
        if agent and agent_id is None:
            return rejected("unknown_agent", "agent", f"{code} has no agent {agent}.")
        meter_id, unit = self.meters[meter]
        return Attribution(agency, agent_id, meter_id, unit)

    def too_old(self, agency: AgencyContext, used_on: date) -> bool:
        """Whether a date lies in a closed month and too far back to be taken.

        A month that is archived is closed for everybody, also for who came later.
        """
        if used_on.replace(day=1) in self.archived:
            return True
        closed = agency.closed_through
        if closed is None or used_on >= next_month(closed):
            return False
        oldest = self._oldest.get(agency.zones)
        if oldest is None:
            today = local_date(self.now, zone_periods(agency.zones))
            oldest = today - timedelta(days=settings.BILLING["LATE_DAYS"])
            self._oldest[agency.zones] = oldest
        return used_on < oldest

    def quantities(
        self, currency: str, meter: str, used_on: date
    ) -> CountedQuantities | None:
        """How a meter counts on a date; None where it has no price."""
        slot = (currency, meter, used_on)
        try:
            return self._quantities[slot]
        except KeyError:
            prices = self.lists.get((currency, used_on.replace(day=1)))
            terms = prices.rates_by_meter.get(meter) if prices else None
            quantities = self._quantities[slot] = (
                counted_quantities_for(terms) if terms else None
            )
            return quantities


NAMES = """
    SELECT agency.code, wanted.external_id, agent.id,
           agency.id, agency.currency, books.closed_through, zones.all
    FROM unnest(%s::text[], %s::text[]) AS wanted(code, external_id)
    JOIN seats_agency AS agency ON agency.code = wanted.code
    JOIN seats_books AS books ON books.agency_id = agency.id
    LEFT JOIN seats_agent AS agent
        ON agent.agency_id = agency.id AND agent.external_id = wanted.external_id,
    LATERAL (
        SELECT string_agg(starts_on || ' ' || zone, ',' ORDER BY starts_on) AS all
        FROM seats_agencyzone WHERE agency_id = agency.id
    ) AS zones
"""


def read_batch_context(
    events: Collection[IncomingEvent],
    *,
    now: datetime,
    within: Collection[int] | None = None,
) -> BatchContext:
    """Everything the events refer to, in a constant number of queries.

    Agencies that are not `within` these ids stay unknown.
    """
    pairs = {
        (agency, agent if agent and agent.isprintable() else "")
        for agency, agent in {(event.agency, event.agent) for event in events}
        if agency.isprintable()
    }
    codes = text_array(agency for agency, _ in pairs)
    external_ids = text_array(agent for _, agent in pairs)
    agencies: dict[str, AgencyContext] = {}
    agents: dict[tuple[str, str], int] = {}
    with connection.cursor() as cursor:
        cursor.execute(NAMES, [codes, external_ids])
        for code, external_id, agent_id, *agency in cursor.fetchall():
            if within is not None and agency[0] not in within:
                continue
            if code not in agencies:
                agencies[code] = AgencyContext._make(agency)
            if agent_id is not None:
                agents[code, external_id] = agent_id
    meters = Meter.objects.values_list("code", "pk", "raw_unit")
    months = _months_around(events)
    archived = ArchivedMonth.objects.filter(month__in=months)
    return BatchContext(
        agencies=agencies,
        agents=agents,
        meters={code: (pk, unit) for code, pk, unit in meters},
        lists=price_lists_for(
            currencies={agency.currency for agency in agencies.values()},
            months=months,
        ),
        archived=set(archived.values_list("month", flat=True)),
        now=now,
    )


@lru_cache(maxsize=1024)
def zone_periods(zones: str) -> Sequence[ZonePeriod]:
    """Zones as the query writes them: 2026-01-01 America/New_York,..."""
    pairs = (zone.split(" ", 1) for zone in zones.split(","))
    return tuple(ZonePeriod(date.fromisoformat(start), zone) for start, zone in pairs)


def date_of(instant: datetime, zones: str) -> date:
    """The local date of an instant, by what is known of its day in UTC."""
    day, second = divmod(int(instant.timestamp()), SECONDS)
    for start, local in _dates_in(zones, day):
        if second >= start:
            return local
    raise AssertionError("a day has a date from its start on")


@lru_cache(maxsize=20_000)
def _dates_in(zones: str, day: int) -> Sequence[tuple[int, date]]:
    """The local dates in a UTC day (counted from 1970), the last first, each with the
    second that it starts in.

    Clocks that are put back just after midnight begin a date again, so dates may recur.
    """
    periods = zone_periods(zones)

    def date_at(second: int) -> date:
        instant = datetime.fromtimestamp(day * SECONDS + second, UTC)
        return local_date(instant, periods)

    dates = [(0, date_at(0))]
    for before, after in pairwise(LOOKS):
        local = date_at(after)
        if local != dates[-1][1]:
            dates.append((_first_second(local, date_at, before, after), local))
    return tuple(reversed(dates))


def _first_second(
    local: date, date_at: Callable[[int], date], before: int, after: int
) -> int:
    """When a date starts that is not yet `before` and is `after`."""
    while after - before > 1:
        middle = (before + after) // 2
        if date_at(middle) == local:
            after = middle
        else:
            before = middle
    return after


def _months_around(events: Collection[IncomingEvent]) -> set[date]:
    """The months that the local dates of the events can be in.

    A date as it was told can be a day from that in UTC, and that one from the agency's.
    """
    months: set[date] = set()
    for day in {event.occurred_at.date() for event in events}:
        months.add(month_of(day))
        if EARLIEST < day < date.max - timedelta(days=40):
            months.add(month_of(day - TWO_DAYS))
            months.add(month_of(day + TWO_DAYS))
    return months
