"""Events against what is known: names, dates and prices. One pass, no queries.

The pass runs for every call an agency makes, so whatever many events share (names,
quarters of an hour, quantities) is worked out once a batch and looked up.
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

from billing.metering.events import (
    LONGEST_BREAKDOWN,
    LONGEST_NAME,
    IncomingEvent,
    Verdict,
    content_digest,
    event_key,
    properties_json,
    rejected,
    utc_text,
)
from billing.metering.models import ArchivedMonth
from billing.money import plain
from billing.pricing.models import Meter
from billing.pricing.queries import price_lists_for
from billing.pricing.rating import PriceListTerms, RateTerms, billable_raw
from seats.arrays import text_array
from seats.periods import ZonePeriod, local_date, month_of, next_month

CLOCK_SKEW = timedelta(minutes=5)
TWO_DAYS = timedelta(days=2)
LONGEST_CALL = 86_400
NAME_RULE = f"1 to {LONGEST_NAME} printable characters."
GREATEST_QUANTITY = Decimal(10) ** 12
SMALLEST_STEP = Decimal("0.000001")
NUL = "\\u0000"  # as JSON spells it; the database cannot store it
EARLIEST = date(2000, 1, 1)
FIRST_INSTANT = datetime(2000, 1, 2, tzinfo=UTC)  # it is later than that anywhere
MOST_STEPS = 50_000  # quantities remembered for a rate; calls have some thousands
SECONDS = 86_400  # of a day
# Where dates are looked at: each quarter of an hour has one change, or at its start.
LOOKS = sorted([*range(0, SECONDS, 900), *range(899, SECONDS, 900)])
DEEPEST = 20  # orders of magnitude that a quantity may have, up and down


class KnownAgency(NamedTuple):
    """What events of an agency need to know."""

    id: int
    currency: str
    closed_through: date | None
    zones: str


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What the agency, agent and meter of an event stand for; one object for each."""

    agency: KnownAgency
    agent_id: int | None
    meter_id: int
    raw_unit: str


@dataclass(slots=True)
class Checked:
    """A good event, ready to be stored; digests in hex.

    `raw` and `occurred_at` are texts in one spelling, whichever they came in.
    """

    event: IncomingEvent
    key: str
    content: str
    place: Place
    breakdown: str
    used_on: date
    occurred_at: str
    raw: str
    billable: Decimal
    properties: str
    too_old: bool


class Counted(NamedTuple):
    """A quantity in one spelling, and what of it is billable, in raw units."""

    raw: str
    billable: Decimal


class Steps(dict[Decimal, Counted]):
    """What quantities count as under one rate, worked out once for each."""

    def __init__(self, terms: RateTerms) -> None:
        super().__init__()
        self.terms = terms

    def __missing__(self, raw: Decimal) -> Counted:
        if len(self) >= MOST_STEPS:
            self.clear()
        counted = self[raw] = Counted(plain(raw), billable_raw(raw, self.terms))
        return counted


@lru_cache(maxsize=64)
def steps_of(terms: RateTerms) -> Steps:
    """Shared by all batches: what a quantity counts as follows from the rate alone."""
    return Steps(terms)


@dataclass
class Known:
    """The names that a batch uses, read once, and caches of what was computed."""

    agencies: Mapping[str, KnownAgency]
    agents: Mapping[tuple[str, str], int]
    meters: Mapping[str, tuple[int, str]]
    lists: Mapping[tuple[str, date], PriceListTerms]
    archived: Collection[date]
    now: datetime
    _places: dict[tuple[str, str | None, str], Place | Verdict] = field(
        default_factory=dict
    )
    _steps: dict[tuple[str, str, date], Steps | None] = field(default_factory=dict)
    _oldest: dict[str, date] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.latest = self.now + CLOCK_SKEW

    def place(self, event: IncomingEvent) -> Place | Verdict:
        """What the names of an event stand for, or which is unknown."""
        names = (event.agency, event.agent, event.meter)
        place = self._places.get(names)
        if place is None:
            place = self._places[names] = self._find_place(*names)
        return place

    def _find_place(self, code: str, agent: str | None, meter: str) -> Place | Verdict:
        agency = self.agencies.get(code)
        if agency is None:
            return rejected("unknown_agency", "agency", f"Unknown agency {code}.")
        if meter not in self.meters:
            return rejected("unknown_meter", "meter", f"Unknown meter {meter}.")
        agent_id = self.agents.get((code, agent)) if agent else None
        if agent and agent_id is None:
            return rejected("unknown_agent", "agent", f"{code} has no agent {agent}.")
        meter_id, unit = self.meters[meter]
        return Place(agency, agent_id, meter_id, unit)

    def too_old(self, agency: KnownAgency, used_on: date) -> bool:
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

    def steps(self, currency: str, meter: str, used_on: date) -> Steps | None:
        """How a meter counts on a date; None where it has no price."""
        slot = (currency, meter, used_on)
        try:
            return self._steps[slot]
        except KeyError:
            prices = self.lists.get((currency, used_on.replace(day=1)))
            terms = prices.rates_by_meter.get(meter) if prices else None
            steps = self._steps[slot] = steps_of(terms) if terms else None
            return steps


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


def read_known(
    events: Collection[IncomingEvent],
    *,
    now: datetime,
    within: Collection[int] | None = None,
) -> Known:
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
    agencies: dict[str, KnownAgency] = {}
    agents: dict[tuple[str, str], int] = {}
    with connection.cursor() as cursor:
        cursor.execute(NAMES, [codes, external_ids])
        for code, external_id, agent_id, *agency in cursor.fetchall():
            if within is not None and agency[0] not in within:
                continue
            if code not in agencies:
                agencies[code] = KnownAgency._make(agency)
            if agent_id is not None:
                agents[code, external_id] = agent_id
    meters = Meter.objects.values_list("code", "pk", "raw_unit")
    months = _months_around(events)
    archived = ArchivedMonth.objects.filter(month__in=months)
    return Known(
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


def check_event(event: IncomingEvent, owner: int, known: Known) -> Checked | Verdict:
    """A stored event to be, or why it is refused."""
    problem = _problem_of_form(event, known)
    if problem:
        return problem
    properties = properties_json(event.properties)
    if NUL in properties:
        return rejected("bad_text", "properties", "No NUL characters.")
    place = known.place(event)
    if isinstance(place, Verdict):
        return place
    if event.quantity > LONGEST_CALL and place.raw_unit == "second":
        return rejected("too_long", "quantity", "A call lasts 24 hours at most.")
    agency = place.agency
    used_on = date_of(event.occurred_at, agency.zones)
    steps = known.steps(agency.currency, event.meter, used_on)
    if steps is None:
        message = f"{event.meter} has no price in {used_on:%B %Y}."
        return rejected("not_priced", "meter", message)
    counted = steps[event.quantity]
    occurred_at = utc_text(event.occurred_at)
    return Checked(
        event,
        event_key(owner, event.source, event.id),
        content_digest(event, counted.raw, occurred_at, properties),
        place,
        event.properties.get("dial_mode", ""),
        used_on,
        occurred_at,
        counted.raw,
        counted.billable,
        properties,
        known.too_old(agency, used_on),
    )


def _problem_of_form(event: IncomingEvent, known: Known) -> Verdict | None:
    """What can be said of an event without knowing what its names stand for."""
    if not (0 < len(event.source) <= LONGEST_NAME and event.source.isprintable()):
        return rejected("bad_text", "source", NAME_RULE)
    if not (0 < len(event.id) <= LONGEST_NAME and event.id.isprintable()):
        return rejected("bad_text", "id", NAME_RULE)
    quantity = event.quantity
    if not quantity.is_finite() or not 0 <= quantity < GREATEST_QUANTITY:
        return rejected("bad_quantity", "quantity", "A quantity is 0 or above.")
    if abs(quantity.adjusted()) > DEEPEST or quantity != quantity.quantize(
        SMALLEST_STEP
    ):
        return rejected("bad_quantity", "quantity", "At most 6 decimal places.")
    if event.occurred_at > known.latest:
        return rejected("in_future", "occurred_at", "The time is still to come.")
    if event.occurred_at < FIRST_INSTANT:
        return rejected("too_old", "occurred_at", f"Before {EARLIEST:%Y-%m-%d}.")
    return _problem_of_mode(event) or _problem_of_supersedes(event)


def _problem_of_mode(event: IncomingEvent) -> Verdict | None:
    mode = event.properties.get("dial_mode", "")
    if isinstance(mode, str) and len(mode) <= LONGEST_BREAKDOWN and mode.isprintable():
        return None
    message = f"At most {LONGEST_BREAKDOWN} printable characters."
    return rejected("bad_text", "properties.dial_mode", message)


def _problem_of_supersedes(event: IncomingEvent) -> Verdict | None:
    other = event.supersedes
    if other is None:
        return None
    if 0 < len(other) <= LONGEST_NAME and other.isprintable() and other != event.id:
        return None
    return rejected("bad_text", "supersedes", f"Another event's id: {NAME_RULE}")
