"""Which months a payer's next documents affect, derived from facts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection

from billing.invoicing.queries.sql import FIRST_FACTS
from core.periods import DateRange, billed_range, month_of, months_between, next_month
from core.postgres.arrays import array_text


@dataclass(frozen=True, slots=True)
class PayerAgency:
    """A payer, an agency whose charges it pays or paid, and how far that is billed."""

    payer_id: int
    agency_id: int
    billed_cutoff: int
    billed_through: date | None


PAIRS = """
    SELECT pair.payer_id, pair.agency_id,
           coalesce(mark.billed_cutoff, 0), mark.billed_through
    FROM (
        SELECT id AS payer_id, id AS agency_id FROM seats_agency
        WHERE id = ANY(%(payers)s::bigint[])
        UNION
        SELECT share.payer_id, share_set.agency_id
        FROM billing_payershare AS share
        JOIN billing_payershareset AS share_set ON share_set.id = share.share_set_id
        WHERE share.payer_id = ANY(%(payers)s::bigint[])
    ) AS pair
    LEFT JOIN billing_watermark AS mark USING (payer_id, agency_id)
    ORDER BY pair.payer_id, pair.agency_id
"""

# LATERAL forces one index look-up per agency, whatever the planner estimates.
USED_MONTHS = """
    SELECT mark.n, used.month
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::date[])
        WITH ORDINALITY AS mark(agency_id, low, high, ends_on, n)
    CROSS JOIN LATERAL (
        SELECT DISTINCT date_trunc('month', day.used_on)::date AS month
        FROM billing_usageday AS day
        WHERE day.agency_id = mark.agency_id
          AND day.cutoff > mark.low AND day.cutoff <= mark.high
          AND day.used_on < mark.ends_on
    ) AS used
"""

VOIDED_MONTHS = """
    SELECT DISTINCT mark.n, line.month
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        WITH ORDINALITY AS mark(payer_id, agency_id, low, high, n)
    JOIN billing_void AS void ON void.agency_id = mark.agency_id
        AND void.cutoff > mark.low AND void.cutoff <= mark.high
    JOIN billing_documentline AS line ON line.document_id = void.document_id
        AND line.agency_id = mark.agency_id AND line.payer_id = mark.payer_id
"""

# The dates of each seat with a newer version: as billed before, and as of the cut.
CHANGED_SEATS = """
    SELECT mark.n, now.added_on, now.removed_on, now.cancelled,
           was.added_on, was.removed_on, was.cancelled
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
        WITH ORDINALITY AS mark(agency_id, low, high, n)
    JOIN LATERAL (
        SELECT DISTINCT ON (seat_id) * FROM seats_seatversion
        WHERE agency_id = mark.agency_id
          AND cutoff > mark.low AND cutoff <= mark.high
        ORDER BY seat_id, number DESC
    ) AS now ON true
    LEFT JOIN LATERAL (
        SELECT * FROM seats_seatversion
        WHERE seat_id = now.seat_id AND cutoff <= mark.low
        ORDER BY number DESC LIMIT 1
    ) AS was ON true
"""


def pairs_of(payer_ids: Collection[int]) -> list[PayerAgency]:
    """Every agency that these payers pay or paid for, including themselves."""
    with connection.cursor() as cursor:
        cursor.execute(PAIRS, {"payers": array_text(payer_ids)})
        return [PayerAgency(*row) for row in cursor.fetchall()]


def first_fact_months(agency_ids: Collection[int]) -> dict[int, date]:
    """The month of each agency's first seat day or usage; absent if it has neither."""
    if not agency_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(FIRST_FACTS, {"agencies": array_text(agency_ids)})
        return {agency: month_of(first) for agency, first in cursor.fetchall() if first}


def months_to_close(
    pairs: Sequence[PayerAgency], *, through: Mapping[int, date]
) -> list[list[date]]:
    """For each pair: the months never billed to the payer, in order.

    `through` is the last month to bill, by payer id.
    """
    firsts = first_fact_months(
        {pair.agency_id for pair in pairs if pair.billed_through is None}
    )
    return [
        months_between(start, through[pair.payer_id])
        if (
            start := next_month(pair.billed_through)
            if pair.billed_through
            else firsts.get(pair.agency_id)
        )
        else []
        for pair in pairs
    ]


def touched_months(
    pairs: Sequence[PayerAgency], cutoffs: Mapping[PayerAgency, int]
) -> list[set[date]]:
    """For each pair: the billed months that a fact above its watermark affects."""
    touched: list[set[date]] = [set() for _ in pairs]
    billed = [
        (n, pair, cutoffs[pair], next_month(pair.billed_through))
        for n, pair in enumerate(pairs)
        if pair.billed_through and cutoffs[pair] > pair.billed_cutoff
    ]
    if not billed:
        return touched
    agencies = array_text(pair.agency_id for _, pair, _, _ in billed)
    low = array_text(pair.billed_cutoff for _, pair, _, _ in billed)
    high = array_text(cutoff for _, _, cutoff, _ in billed)
    ends = [end for _, _, _, end in billed]
    with connection.cursor() as cursor:
        cursor.execute(USED_MONTHS, [agencies, low, high, array_text(ends)])
        months = cursor.fetchall()
        payers = array_text(pair.payer_id for _, pair, _, _ in billed)
        cursor.execute(VOIDED_MONTHS, [payers, agencies, low, high])
        months += cursor.fetchall()
        cursor.execute(CHANGED_SEATS, [agencies, low, high])
        for n, *days in cursor.fetchall():
            months += [
                (n, month)
                for month in changed_months(
                    _days(*days[:3]), _days(*days[3:]), ends[n - 1]
                )
            ]
    for n, month in months:
        touched[billed[n - 1][0]].add(month)
    return touched


def changed_months(
    now: DateRange | None, was: DateRange | None, before: date
) -> set[date]:
    """The months before a date in which two ranges of dates differ. Pure."""
    edges = []
    if now is None or was is None or _disjoint(now, was):
        edges = [days for days in (now, was) if days is not None]
    else:
        ends = sorted((now.end or date.max, was.end or date.max))
        edges = [
            DateRange(min(now.start, was.start), max(now.start, was.start)),
            DateRange(ends[0], ends[1]),
        ]
    months: set[date] = set()
    for days in edges:
        end = min(days.end or before, before)
        if days.start < end:
            last = date.fromordinal(end.toordinal() - 1)
            months.update(months_between(month_of(days.start), month_of(last)))
    return months


def _days(
    added_on: date | None,
    removed_on: date | None,
    cancelled: bool | None,  # noqa: FBT001
) -> DateRange | None:
    if added_on is None or cancelled:
        return None
    return billed_range(added_on, removed_on)


def _disjoint(first: DateRange, second: DateRange) -> bool:
    return (first.end is not None and first.end <= second.start) or (
        second.end is not None and second.end <= first.start
    )
