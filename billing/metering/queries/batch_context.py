"""The context of a batch of events: agencies, agents, dates and prices, read once.

A batch has many events but few distinct names, days and quantities, so what they share
is computed once and cached.
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

from billing.metering.domain.events import IncomingEvent, IngestResult, rejected
from billing.metering.models import ArchivedMonth
from billing.pricing.domain.rating import PriceListTerms, RateTerms, billable_raw
from billing.pricing.models import Meter
from billing.pricing.queries import price_lists_for
from core.money import plain
from core.parsing.values import shown
from core.periods import ZonePeriod, local_date, month_of, next_month
from core.postgres.arrays import text_array

CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = date(2000, 1, 1)
MOST_QUANTITIES = 50_000  # cached for a rate; calls have some thousands
TWO_DAYS = timedelta(days=2)
DAY_SECONDS = 86_400
# Seconds of a day at which its date is sampled. Clocks change at most once in a quarter
# of an hour, or at its start.
SAMPLES = sorted([*range(0, DAY_SECONDS, 900), *range(899, DAY_SECONDS, 900)])


class AgencyContext(NamedTuple):
    """What events are checked against at their agency.

    `zones` are its dated time zones as one text: 2026-01-01 America/New_York,...
    """

    id: int
    currency: str
    closed_through: date | None
    zones: str


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The agency, agent and meter that the codes of an event name.

    There is one object for each combination of codes in a batch.
    """

    agency: AgencyContext
    agent_id: int | None
    meter_id: int
    raw_unit: str


class CountedQuantity(NamedTuple):
    """A quantity as plain decimal text, and its billable part; both in raw units."""

    raw: str
    billable: Decimal


class CountedQuantities(dict[Decimal, CountedQuantity]):
    """Quantities with their billable part under one rate, computed on first use."""

    def __init__(self, terms: RateTerms) -> None:
        super().__init__()
        self.terms = terms

    def __missing__(self, raw: Decimal) -> CountedQuantity:
        if len(self) >= MOST_QUANTITIES:
            self.clear()
        counted = CountedQuantity(plain(raw), billable_raw(raw, self.terms))
        self[raw] = counted
        return counted


@lru_cache(maxsize=64)
def counted_quantities_for(terms: RateTerms) -> CountedQuantities:
    """The cache of a rate. Batches share it: only the rate decides what is billable."""
    return CountedQuantities(terms)


@dataclass
class BatchContext:
    """The agencies, agents, meters and prices of a batch, with caches.

    What is not in here is unknown to the sender of the batch.
    """

    agencies: Mapping[str, AgencyContext]
    agents: Mapping[tuple[str, str], int]
    meters: Mapping[str, tuple[int, str]]
    lists: Mapping[tuple[str, date], PriceListTerms]
    archived: Collection[date]
    now: datetime
    _attributions: dict[tuple[str, str | None, str], Attribution | IngestResult] = (
        field(default_factory=dict)
    )
    _quantities: dict[tuple[str, str, date], CountedQuantities | None] = field(
        default_factory=dict
    )
    _oldest: dict[str, date] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.latest = self.now + CLOCK_SKEW

    def attribute(self, event: IncomingEvent) -> Attribution | IngestResult:
        """The agency, agent and meter of an event, or its rejection if one is unknown."""
        codes = (event.agency, event.agent, event.meter)
        attribution = self._attributions.get(codes)
        if attribution is None:
            attribution = self._attributions[codes] = self._attribute(*codes)
        return attribution

    def _attribute(
        self, code: str, agent: str | None, meter: str
    ) -> Attribution | IngestResult:
        agency = self.agencies.get(code)
        if agency is None:
            message = f"There is no agency {shown(code)}."
            return rejected("unknown_agency", "agency", message)
        if meter not in self.meters:
            message = f"There is no meter {shown(meter)}."
            return rejected("unknown_meter", "meter", message)
        agent_id = self.agents.get((code, agent)) if agent else None
        if agent and agent_id is None:
            message = f"Agency {shown(code)} has no agent {shown(agent)}."
            return rejected("unknown_agent", "agent", message)
        meter_id, unit = self.meters[meter]
        return Attribution(agency, agent_id, meter_id, unit)

    def too_old(self, agency: AgencyContext, used_on: date) -> bool:
        """Whether a date is in a closed month and past the limit for late events.

        An archived month is closed for every agency.
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
        """The quantities of a meter under its rate on a date; None without a price."""
        key = (currency, meter, used_on)
        try:
            return self._quantities[key]
        except KeyError:
            prices = self.lists.get((currency, used_on.replace(day=1)))
            terms = prices.rates_by_meter.get(meter) if prices else None
            quantities = self._quantities[key] = (
                counted_quantities_for(terms) if terms else None
            )
            return quantities


NAMES = """
    SELECT agency.code, wanted.external_id, agent.id,
           agency.id, agency.currency, counter.closed_through, zones.all
    FROM unnest(%s::text[], %s::text[]) AS wanted(code, external_id)
    JOIN seats_agency AS agency ON agency.code = wanted.code
    JOIN seats_cutoffcounter AS counter ON counter.agency_id = agency.id
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
    allowed_agency_ids: Collection[int] | None = None,
) -> BatchContext:
    """Read the context of these events in a constant number of queries.

    Agencies outside `allowed_agency_ids` (None: no limit) are left out, as if unknown.
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
            if allowed_agency_ids is not None and agency[0] not in allowed_agency_ids:
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
    """The dated zones in a text: 2026-01-01 America/New_York,..."""
    pairs = (zone.split(" ", 1) for zone in zones.split(","))
    return tuple(ZonePeriod(date.fromisoformat(start), zone) for start, zone in pairs)


def date_of(instant: datetime, zones: str) -> date:
    """The local date of an instant; the dates of a UTC day are cached."""
    day, second = divmod(int(instant.timestamp()), DAY_SECONDS)
    for start, local in _dates_in(zones, day):
        if second >= start:
            return local
    raise AssertionError("The first date of a UTC day starts at second 0.")


@lru_cache(maxsize=20_000)
def _dates_in(zones: str, day: int) -> Sequence[tuple[int, date]]:
    """The local dates in a UTC day (days since 1970) as (start second, date), last first.

    A date can occur twice: clocks that go back just after midnight start it again.
    """
    periods = zone_periods(zones)

    def date_at(second: int) -> date:
        instant = datetime.fromtimestamp(day * DAY_SECONDS + second, UTC)
        return local_date(instant, periods)

    dates = [(0, date_at(0))]
    for before, after in pairwise(SAMPLES):
        local = date_at(after)
        if local != dates[-1][1]:
            dates.append((_first_second(local, date_at, before, after), local))
    return tuple(reversed(dates))


def _first_second(
    local: date, date_at: Callable[[int], date], before: int, after: int
) -> int:
    """The second at which a date starts, after `before` and no later than `after`."""
    while after - before > 1:
        middle = (before + after) // 2
        if date_at(middle) == local:
            after = middle
        else:
            before = middle
    return after


def _months_around(events: Collection[IncomingEvent]) -> set[date]:
    """The months in which the local dates of the events can be.

    The date as sent is at most one day from the date in UTC, and that one at most one
    day from the agency's date.
    """
    months: set[date] = set()
    for day in {event.occurred_at.date() for event in events}:
        months.add(month_of(day))
        if EARLIEST < day < date.max - timedelta(days=40):
            months.add(month_of(day - TWO_DAYS))
            months.add(month_of(day + TWO_DAYS))
    return months
