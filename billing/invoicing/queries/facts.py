"""Reads seat days and usage of many agencies and months up to a cut-off.

Dates are local dates of the agency; spans are half-open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from django.db import connection

from billing.invoicing.domain.charges import SpanFacts, Usage
from core.postgres.arrays import columns


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a month of an agency with one set of payers, as of a cut-off."""

    agency_id: int
    month: date
    starts_on: date
    ends_on: date
    cutoff: int
    shares: Mapping[int, Fraction]


# The overlap of each span with each seat, in its newest version at the cut-off.
SEAT_DAYS = """
    SELECT span.n, sum(
        least(coalesce(seat.ended_on, span.ends_on), span.ends_on)
        - greatest(seat.added_on, span.starts_on)), count(*)
    FROM unnest(%s::bigint[], %s::date[], %s::date[], %s::bigint[])
        WITH ORDINALITY AS span(agency_id, starts_on, ends_on, cutoff, n)
    JOIN LATERAL (
        SELECT DISTINCT ON (seat_id) added_on, cancelled,
            CASE WHEN removed_on = added_on THEN added_on + 1
                 ELSE removed_on END AS ended_on
        FROM seats_seatversion AS version
        WHERE version.agency_id = span.agency_id AND version.cutoff <= span.cutoff
        ORDER BY seat_id, number DESC
    ) AS seat ON NOT seat.cancelled
        AND seat.added_on < span.ends_on
        AND coalesce(seat.ended_on, span.ends_on) > span.starts_on
    GROUP BY span.n
"""

USAGE = """
    SELECT span.n, meter.code, used.raw, used.billable
    FROM unnest(%s::bigint[], %s::date[], %s::date[], %s::bigint[])
        WITH ORDINALITY AS span(agency_id, starts_on, ends_on, cutoff, n)
    CROSS JOIN LATERAL (
        SELECT day.meter_id, sum(day.raw) AS raw, sum(day.billable) AS billable
        FROM billing_usageday AS day
        WHERE day.agency_id = span.agency_id
          AND day.used_on >= span.starts_on AND day.used_on < span.ends_on
          AND day.cutoff <= span.cutoff
        GROUP BY day.meter_id
    ) AS used
    JOIN billing_meter AS meter ON meter.id = used.meter_id
"""


def facts_of(spans: Sequence[Span]) -> list[SpanFacts]:
    """The seat days and usage of each span, in the order of the spans."""
    params = _params(spans)
    usage: list[dict[str, Usage]] = [{} for _ in spans]
    seat_days = seat_days_of(spans)
    with connection.cursor() as cursor:
        cursor.execute(USAGE, params)
        for n, meter, raw, billable in cursor.fetchall():
            usage[n - 1][meter] = Usage(raw, billable)
    return [
        SpanFacts(span.shares, seat_days[n], usage[n]) for n, span in enumerate(spans)
    ]


def seat_days_of(spans: Sequence[Span]) -> list[int]:
    """The seat days of each span, in the order of the spans."""
    return [days for days, _ in seats_of(spans)]


def seats_of(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """The seat days and the number of seats of each span, in the order of the spans."""
    with connection.cursor() as cursor:
        cursor.execute(SEAT_DAYS, _params(spans))
        seats = {n: (days, count) for n, days, count in cursor.fetchall()}
    return [seats.get(n, (0, 0)) for n in range(1, len(spans) + 1)]


def _params(spans: Sequence[Span]) -> list[str]:
    return columns(
        [(span.agency_id, span.starts_on, span.ends_on, span.cutoff) for span in spans],
        4,
    )
