"""Events against what is known: names, dates and prices. One pass, no queries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.db import connection

from billing.metering.events import (
    LONGEST_BREAKDOWN,
    LONGEST_NAME,
    IncomingEvent,
    Verdict,
    content_digest,
    event_key,
    properties_json,
    rejected,
)
from billing.pricing.models import Meter
from billing.pricing.queries import price_lists_for
from billing.pricing.rating import PriceListTerms, RateTerms, billable_raw
from seats.periods import ZonePeriod, local_date, month_of, next_month

CLOCK_SKEW = timedelta(minutes=5)
LONGEST_CALL = 86_400
GREATEST_QUANTITY = Decimal(10) ** 12
SMALLEST_STEP = Decimal("0.000001")
NUL = "\\u0000"  # as JSON spells it; the database cannot store it
EARLIEST = date(2000, 1, 1)
QUARTER_HOUR = 900  # no zone changes its offset at a finer step in living memory


@dataclass(frozen=True, slots=True)
class KnownAgency:
    """What events of an agency need to know."""

    id: int
    currency: str
    closed_through: date | None
    zones: Sequence[ZonePeriod]


@dataclass(slots=True)
class Checked:
    """A good event, ready to be stored; digests in hex."""

    event: IncomingEvent
    key: str
    content: str
    agency_id: int
    agent_id: int | None
    meter_id: int
    breakdown: str
    used_on: date
    billable: Decimal
    properties: str
    too_old: bool


@dataclass
class Known:
    """The names that a batch uses, read once, and caches of what was computed."""

    agencies: Mapping[str, KnownAgency]
    agents: Mapping[tuple[int, str], int]
    meters: Mapping[str, tuple[int, str]]
    lists: Mapping[tuple[str, date], PriceListTerms]
    now: datetime
    _dates: dict[tuple[str, int], date] = field(default_factory=dict)
    _billable: dict[tuple[str, str, Decimal], Decimal] = field(default_factory=dict)
    _oldest: dict[str, date] = field(default_factory=dict)

    def used_on(self, agency: KnownAgency, code: str, instant: datetime) -> date:
        """The local date of an instant, computed once per quarter of an hour."""
        slot = (code, int(instant.timestamp()) // QUARTER_HOUR)
        day = self._dates.get(slot)
        if day is None:
            day = self._dates[slot] = local_date(instant, agency.zones)
        return day

    def oldest(self, agency: KnownAgency, code: str) -> date:
        """The earliest date of a closed month that is still taken."""
        day = self._oldest.get(code)
        if day is None:
            days = timedelta(days=settings.BILLING["LATE_DAYS"])
            day = self._oldest[code] = local_date(self.now, agency.zones) - days
        return day

    def billable(
        self, prices: PriceListTerms, terms: RateTerms, raw: Decimal
    ) -> Decimal:
        """The billable part of a quantity, computed once per distinct quantity."""
        slot = (prices.code, terms.meter, raw)
        billable = self._billable.get(slot)
        if billable is None:
            billable = self._billable[slot] = billable_raw(raw, terms)
        return billable


AGENCIES = """
    SELECT agency.id, agency.code, agency.currency, books.closed_through,
           (SELECT string_agg(zone.starts_on || ' ' || zone.zone, ',' ORDER BY starts_on)
            FROM seats_agencyzone AS zone WHERE zone.agency_id = agency.id)
    FROM seats_agency AS agency
    JOIN seats_books AS books ON books.agency_id = agency.id
    WHERE agency.code = ANY(%s)
"""
AGENTS = """
    SELECT agent.agency_id, agent.external_id, agent.id
    FROM unnest(%s::bigint[], %s::text[]) AS wanted(agency_id, external_id)
    JOIN seats_agent AS agent USING (agency_id, external_id)
"""


def read_known(events: Collection[IncomingEvent], *, now: datetime) -> Known:
    """Everything the events refer to, in a constant number of queries."""
    agencies = _known_agencies({event.agency for event in events})
    pairs = {
        (agencies[event.agency].id, event.agent)
        for event in events
        if event.agent and event.agency in agencies
    }
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*pairs, strict=True)] or [[], []]
        cursor.execute(AGENTS, columns)
        agents = {(agency, name): pk for agency, name, pk in cursor.fetchall()}
    meters = Meter.objects.values_list("code", "pk", "raw_unit")
    return Known(
        agencies=agencies,
        agents=agents,
        meters={code: (pk, unit) for code, pk, unit in meters},
        lists=price_lists_for(
            currencies={agency.currency for agency in agencies.values()},
            months=_months_around(events),
        ),
        now=now,
    )


def _known_agencies(codes: Collection[str]) -> dict[str, KnownAgency]:
    with connection.cursor() as cursor:
        cursor.execute(AGENCIES, [list(codes)])
        return {
            code: KnownAgency(pk, currency, closed, _zone_periods(zones))
            for pk, code, currency, closed, zones in cursor.fetchall()
        }


@lru_cache(maxsize=1024)
def _zone_periods(zones: str) -> tuple[ZonePeriod, ...]:
    """Zones as the query writes them: 2026-01-01 America/New_York,..."""
    pairs = (zone.split(" ", 1) for zone in zones.split(","))
    return tuple(ZonePeriod(date.fromisoformat(start), zone) for start, zone in pairs)


def _months_around(events: Collection[IncomingEvent]) -> set[date]:
    """The months that the local dates of the events can be in."""
    months: set[date] = set()
    for day in {event.occurred_at.date() for event in events}:
        months.add(month_of(day))
        if EARLIEST < day < date.max - timedelta(days=40):
            months.add(month_of(day - timedelta(days=1)))
            months.add(month_of(day + timedelta(days=1)))
    return months


def check_event(event: IncomingEvent, owner: int, known: Known) -> Checked | Verdict:
    """A stored event to be, or why it is refused."""
    problem = _check_form(event, known.now)
    if problem:
        return problem
    agency = known.agencies.get(event.agency)
    if agency is None:
        return rejected("unknown_agency", "agency", f"Unknown agency {event.agency}.")
    meter = known.meters.get(event.meter)
    if meter is None:
        return rejected("unknown_meter", "meter", f"Unknown meter {event.meter}.")
    if meter[1] == "second" and event.quantity > LONGEST_CALL:
        return rejected("too_long", "quantity", "A call lasts 24 hours at most.")
    agent_id = known.agents.get((agency.id, event.agent)) if event.agent else None
    if event.agent and agent_id is None:
        message = f"{event.agency} has no agent {event.agent}."
        return rejected("unknown_agent", "agent", message)
    used_on = known.used_on(agency, event.agency, event.occurred_at)
    prices = known.lists.get((agency.currency, used_on.replace(day=1)))
    terms = prices.rates_by_meter.get(event.meter) if prices else None
    if prices is None or terms is None:
        message = f"{event.meter} has no price in {used_on:%B %Y}."
        return rejected("not_priced", "meter", message)
    properties = properties_json(event.properties)
    if NUL in properties:
        return rejected("bad_text", "properties", "No NUL characters.")
    closed = agency.closed_through
    return Checked(
        event=event,
        key=event_key(owner, event.source, event.id),
        content=content_digest(event, properties),
        agency_id=agency.id,
        agent_id=agent_id,
        meter_id=meter[0],
        breakdown=str(event.properties.get("dial_mode", "")),
        used_on=used_on,
        billable=known.billable(prices, terms, event.quantity),
        properties=properties,
        too_old=closed is not None
        and used_on < next_month(closed)
        and used_on < known.oldest(agency, event.agency),
    )


def _check_form(event: IncomingEvent, now: datetime) -> Verdict | None:
    """What can be said of an event without knowing anything else."""
    for name, value in (("source", event.source), ("id", event.id)):
        if not value or len(value) > LONGEST_NAME or not value.isprintable():
            message = f"1 to {LONGEST_NAME} printable characters."
            return rejected("bad_text", name, message)
    quantity = event.quantity
    if not quantity.is_finite() or not 0 <= quantity < GREATEST_QUANTITY:
        return rejected("bad_quantity", "quantity", "A quantity is 0 or above.")
    if quantity % SMALLEST_STEP:
        return rejected("bad_quantity", "quantity", "At most 6 decimal places.")
    if event.occurred_at > now + CLOCK_SKEW:
        return rejected("in_future", "occurred_at", "The time is still to come.")
    if event.occurred_at.date() <= EARLIEST:
        return rejected("too_old", "occurred_at", f"Before {EARLIEST}.")
    mode = event.properties.get("dial_mode", "")
    if (
        not isinstance(mode, str)
        or len(mode) > LONGEST_BREAKDOWN
        or not (mode.isprintable())
    ):
        message = f"At most {LONGEST_BREAKDOWN} printable characters."
        return rejected("bad_text", "properties.dial_mode", message)
    return None
