"""Queries of usage: totals from usage days, and single events.

Dates are local dates of the agency, date ranges are half-open, sums are in raw units.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from django.db import connection
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth

from billing.metering.models import UsageDay, UsageEvent
from billing.metering.queries.event_store import live_dates
from billing.pricing.models import Meter
from billing.pricing.queries import price_lists_for
from core.errors import Kind, Refusal
from core.money import plain, round_places
from core.parsing.values import shown
from core.periods import DateRange, month_range
from core.postgres.arrays import array_text
from seats.roster.domain.versions import HolderClaim
from seats.roster.services.changes import RemovedDates, Use

PLACES = 6
MOST_TOTALS = 10_000

Row = TypeVar("Row", bound=Model)


class UnknownMeter(Refusal):
    """The meter does not exist, or the price list has no rate for it.

    Check the code of the meter against the price list.
    """

    code = "unknown_meter"
    kind = Kind.MALFORMED


class UnknownGroup(Refusal):
    """Usage cannot be grouped by this name.

    Use the groups that `detail` lists.
    """

    code = "unknown_group"
    kind = Kind.MALFORMED


class TooManyTotals(Refusal):
    """The file or the result has more rows than allowed.

    Import the file in parts, or request fewer dates or groups.
    """

    code = "too_many_rows"


# What totals may be grouped by, with the expression of each.
GROUPS: Mapping[str, Any] = {
    "agency": F("agency__code"),
    "day": F("used_on"),
    "meter": F("meter__code"),
    "agent": F("agent__external_id"),
    "dial_mode": F("breakdown"),
}


def meters_with_usage(*, currency: str, codes: Collection[str]) -> set[str]:
    """The meters among `codes` that an agency of this currency has ever used."""
    used = UsageDay.objects.filter(meter=OuterRef("pk"), agency__currency=currency)
    meters = Meter.objects.filter(Exists(used), code__in=codes)
    return set(meters.values_list("code", flat=True))


@dataclass(slots=True)
class Total:
    """The usage of one group. `raw` and `billable` are in raw units, perhaps mixed.

    `quantity` and `raw_quantity` are in the billed `unit`. They are None if the group
    mixes units or one of its meters has no price.
    """

    group: dict[str, Any]
    events: int = 0
    raw: Decimal = Decimal(0)
    billable: Decimal = Decimal(0)
    _units: set[str | None] = field(default_factory=set)
    _quantity: Fraction = Fraction(0)
    _raw_quantity: Fraction = Fraction(0)

    @property
    def unit(self) -> str | None:
        return next(iter(self._units)) if len(self._units) == 1 else None

    @property
    def quantity(self) -> Decimal | None:
        return round_places(self._quantity, PLACES) if self.unit else None

    @property
    def raw_quantity(self) -> Decimal | None:
        return round_places(self._raw_quantity, PLACES) if self.unit else None

    def as_row(self) -> dict[str, Any]:
        """The names and sums of the group; numbers are plain decimal text."""
        return {
            **self.group,
            "events": self.events,
            "raw": plain(self.raw),
            "billable": plain(self.billable),
            "quantity": None if self.quantity is None else plain(self.quantity),
            "unit": self.unit,
        }

    def add(self, part: Mapping[str, Any], unit_size: Decimal | None) -> None:
        """Add the sums of one meter and month, which have one unit."""
        self.events += part["count"]
        self.raw += part["raw_sum"]
        self.billable += part["billable_sum"]
        self._units.add(part["meter__billed_unit"] if unit_size else None)
        if unit_size:
            self._quantity += Fraction(part["billable_sum"]) / Fraction(unit_size)
            self._raw_quantity += Fraction(part["raw_sum"]) / Fraction(unit_size)


def usage_totals(
    *,
    agency_ids: Collection[int] | None,
    dates: DateRange,
    group_by: Sequence[str],
    agent_ids: Collection[int] = (),
    **filters: str,
) -> list[Total]:
    """The usage of agencies (None: all) on these dates, in the order of their groups.

    With `agent_ids`, also that of these agents of other agencies.
    It is read from usage days, so the number of events does not matter. `filters` may
    have `meter`, `agent` and `dial_mode`. Raises UnknownGroup, UnknownMeter, and
    TooManyTotals above 10,000 sums (one per meter, month and group).
    """
    unknown = sorted(set(group_by) - GROUPS.keys())
    if unknown:
        raise UnknownGroup(
            f"Usage cannot be grouped by {shown(unknown[0])}. Use any of"
            f" {', '.join(GROUPS)}.",
            field="group_by",
        )
    days = _filtered(UsageDay.objects.filter(used_on__gte=dates.start), **filters)
    if dates.end is not None:
        days = days.filter(used_on__lt=dates.end)
    if agency_ids is not None:
        within = Q(agency__in=agency_ids)
        days = days.filter(within | Q(agent__in=agent_ids) if agent_ids else within)
    parts = list(
        days.annotate(month=TruncMonth("used_on"), **_prefixed(group_by))
        .values(
            "agency__currency", "meter__code", "meter__billed_unit", "month",
            *_prefixed(group_by),
        )
        .annotate(
            count=Sum("events"), raw_sum=Sum("raw"), billable_sum=Sum("billable")
        )
        .order_by(*_prefixed(group_by), "meter__code", "month")[: MOST_TOTALS + 1]
    )  # fmt: skip
    if len(parts) > MOST_TOTALS:
        raise TooManyTotals(
            f"The result has more than {MOST_TOTALS:,} totals. Request fewer dates, or"
            " remove a group.",
            field="group_by",
        )
    return _folded(parts, group_by)


def _prefixed(group_by: Sequence[str]) -> dict[str, Any]:
    return {f"by_{name}": GROUPS[name] for name in group_by}


def _folded(parts: Sequence[dict[str, Any]], group_by: Sequence[str]) -> list[Total]:
    """The sums of meters and months added up by group, each in its billed unit."""
    lists = price_lists_for(
        currencies={part["agency__currency"] for part in parts},
        months={part["month"] for part in parts},
    )
    totals: dict[tuple[Any, ...], Total] = {}
    for part in parts:
        prices = lists.get((part["agency__currency"], part["month"]))
        terms = prices.rates_by_meter.get(part["meter__code"]) if prices else None
        group = {name: part[f"by_{name}"] for name in group_by}
        key = tuple(group.values())
        total = totals.setdefault(key, Total(group))
        total.add(part, terms.unit_size if terms else None)
    return list(totals.values())


def usage_events(
    *, agency_id: int, dates: DateRange, **filters: str
) -> QuerySet[UsageEvent]:
    """The events of an agency on these dates, unordered; `filters` as for usage_totals.

    Raises EventsArchived, UnknownMeter.
    """
    dates = live_dates(dates)
    events = _filtered(
        UsageEvent.objects.filter(agency=agency_id, used_on__gte=dates.start),
        **filters,
    )
    if dates.end is not None:
        events = events.filter(used_on__lt=dates.end)
    # Prefetch, not join: names are read for the rows of one page only.
    return events.prefetch_related("agency", "agent", "meter")


def _filtered(rows: QuerySet[Row], **filters: str) -> QuerySet[Row]:
    """Rows by code; an empty agent or dial mode selects rows without one.

    Raises UnknownMeter.
    """
    if "meter" in filters:
        meter = Meter.objects.filter(code=filters["meter"]).first()
        if meter is None:
            raise UnknownMeter(
                f"There is no meter {shown(filters['meter'])}.", field="meter"
            )
        rows = rows.filter(meter=meter.pk)
    if "agent" in filters:
        agent = filters["agent"]
        rows = rows.filter(Q(agent__external_id=agent) if agent else Q(agent=None))
    if "dial_mode" in filters:
        rows = rows.filter(breakdown=filters["dial_mode"])
    return rows


class RoundingRule(NamedTuple):
    """How a raw quantity is rounded up: whole increments, at least the minimum."""

    minimum: Decimal
    increment: Decimal


class RoundedUsage(NamedTuple):
    """The usage of a meter in raw units: as recorded, as billed, and by other rules."""

    meter: str
    raw: Decimal
    billable: Decimal
    rounded: list[Decimal]


# The formula of billable_raw in exact arithmetic: a quotient is never rounded.
ROUNDED = """
    SELECT {columns}
    FROM billing_usageevent AS event
    JOIN billing_meter AS meter ON meter.id = event.meter_id
    WHERE event.agency_id = %s AND event.used_on >= %s AND event.used_on < %s
      AND meter.raw_unit = %s
    GROUP BY meter.code ORDER BY meter.code
"""
ROUNDED_SUM = """
    sum(CASE WHEN event.raw = 0 THEN 0 ELSE sign(event.raw) * %s
        * (div(greatest(abs(event.raw), %s), %s)
           + sign(mod(greatest(abs(event.raw), %s), %s))) END)
"""


def rounded_usage(
    *, agency_id: int, month: date, raw_unit: str, rules: Sequence[RoundingRule]
) -> list[RoundedUsage]:
    """The month's usage of each meter with this raw unit, summed event by event.

    `rounded` has one sum per rule, in the order of `rules`. All sums are in raw units.
    Raises EventsArchived.
    """
    dates = live_dates(month_range(month))
    params: list[Any] = []
    for minimum, increment in rules:
        params += [increment, minimum, increment, minimum, increment]
    columns = ["meter.code", "sum(event.raw)", "sum(event.billable)"]
    columns += [ROUNDED_SUM] * len(rules)
    with connection.cursor() as cursor:
        params += [agency_id, dates.start, dates.end, raw_unit]
        cursor.execute(ROUNDED.format(columns=", ".join(columns)), params)
        return [
            RoundedUsage(meter, raw, billable, list(sums))
            for meter, raw, billable, *sums in cursor.fetchall()
        ]


# HAVING: the days of a reversed event cancel out over the cut-offs.
USED_DAYS = """
    SELECT claim.seat_id, count(DISTINCT used.used_on), max(used.used_on)
    FROM unnest(%(seats)s::bigint[], %(agents)s::bigint[], %(starts)s::date[],
                %(ends)s::date[]) AS claim(seat_id, agent_id, starts_on, ends_on)
    JOIN (
        SELECT agent_id, used_on
        FROM billing_usageday
        WHERE agency_id = ANY(ARRAY(
                  SELECT agency_id FROM seats_agent
                  WHERE id = ANY(%(agents)s::bigint[])))
          AND used_on >= %(first)s AND agent_id = ANY(%(agents)s::bigint[])
        GROUP BY agent_id, used_on
        HAVING sum(billable) > 0
    ) AS used
        ON used.agent_id = claim.agent_id
       AND used.used_on >= claim.starts_on AND used.used_on < claim.ends_on
    GROUP BY claim.seat_id
"""


def used_days(removals: Sequence[RemovedDates]) -> dict[int, Use]:
    """For each seat id, on how many of its removed dates it was used, and the last of them.

    A seat is used on a date if an agent on record as its holder has billable usage on
    that date. One query; seats without use are left out.
    """
    claims = [
        (removal.seat_id, claim.agent_id, *_overlap(claim, removal.dates))
        for removal in removals
        for claim in removal.claims
    ]
    claims = [claim for claim in claims if claim[3] is None or claim[2] < claim[3]]
    if not claims:
        return {}
    seats, agents, starts, ends = zip(*claims, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            USED_DAYS,
            {
                "seats": array_text(seats),
                "agents": array_text(agents),
                "starts": array_text(starts),
                "ends": array_text(end or "infinity" for end in ends),
                "first": min(starts),
            },
        )
        return {seat_id: Use(days, last) for seat_id, days, last in cursor.fetchall()}


LAST_USES = """
    SELECT agent_id, max(used_on)
    FROM (
        SELECT agent_id, used_on
        FROM billing_usageday
        WHERE agency_id = ANY(ARRAY(
                  SELECT agency_id FROM seats_agent WHERE id = ANY(%(agents)s::bigint[])))
          AND used_on >= %(since)s AND agent_id = ANY(%(agents)s::bigint[])
        GROUP BY agent_id, used_on
        HAVING sum(events) > 0
    ) AS used
    GROUP BY agent_id
"""


def last_uses(agent_ids: Collection[int], *, since: date | None) -> dict[int, date]:
    """The last local date with usage of each agent, on or after `since`, in one query.

    Usage counts that is free, such as a call that nobody answered. Agents without any are
    left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            LAST_USES,
            {"agents": array_text(agent_ids), "since": since or "-infinity"},
        )
        return dict(cursor.fetchall())


def _overlap(claim: HolderClaim, dates: DateRange) -> tuple[date, date | None]:
    ends = [end for end in (claim.ends_on, dates.end) if end is not None]
    return max(claim.starts_on, dates.start), min(ends, default=None)
