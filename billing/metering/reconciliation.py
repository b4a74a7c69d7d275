"""A carrier's file against our events: what only one side has, and what differs.

Both sides are put into temporary tables and paired there, so that a file of any size
takes no more memory here than one chunk of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BufferedReader
from itertools import count

from django.db import connection, transaction

from billing.metering.events import IncomingEvent
from billing.metering.formats.catalogue import chunks_of, feed_of, rows_of
from billing.metering.formats.rows import Row
from billing.metering.known import EARLIEST
from billing.money import plain
from seats.agencies.queries import zones_of
from seats.agencies.services import require_zone
from seats.errors import Refusal
from seats.models import Agency
from seats.periods import ZonePeriod, local_date, next_month

CHUNK = 5_000
AROUND = timedelta(days=31)  # how far beside the month an event of ours is looked for
LATEST = date(9990, 1, 1)

EQUAL = "equal"
ONLY_THEIRS, ONLY_OURS, UNREADABLE = "only_theirs", "only_ours", "unreadable"

TABLES = """
    DROP TABLE IF EXISTS pg_temp.theirs, pg_temp.ours, pg_temp.paired,
        pg_temp.unreadable;
    CREATE TEMPORARY TABLE theirs (
        n bigint, id text, agent text, meter text, quantity numeric,
        at timestamptz, second timestamptz, used_on date
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE unreadable (n bigint, why text) ON COMMIT DROP;
    CREATE TEMPORARY TABLE paired (ours bigint, theirs bigint) ON COMMIT DROP;
    CREATE TEMPORARY TABLE ours (LIKE theirs) ON COMMIT DROP;
    ALTER TABLE ours ADD replaces text;
"""
COPY_THEIRS = "COPY theirs FROM STDIN"
COPY_UNREADABLE = "COPY unreadable FROM STDIN"
# What was taken back counts as its net: it is gone.
READ_OURS = """
    INSERT INTO ours
    SELECT event.id, event.external_id, agent.external_id, meter.code, net.quantity,
           event.occurred_at, date_trunc('second', event.occurred_at), event.used_on,
           event.supersedes
    FROM billing_usageevent AS event
    JOIN billing_meter AS meter ON meter.id = event.meter_id
    LEFT JOIN seats_agent AS agent ON agent.id = event.agent_id
    LEFT JOIN billing_usageevent AS back
        ON back.reverses = event.id AND back.used_on = event.used_on,
    LATERAL (SELECT event.raw + coalesce(back.raw, 0) AS quantity) AS net
    WHERE event.agency_id = %(agency)s AND event.reverses IS NULL
      AND event.used_on >= %(first)s AND event.used_on < %(end)s
      AND (%(source)s = '' OR event.source = %(source)s)
      AND (back.id IS NULL OR net.quantity <> 0)
"""
# Equal keys are paired one to one; what is left over stays for the next pass.
PAIR = """
    INSERT INTO paired
    SELECT o.n, t.n
    FROM (
        SELECT n, {ours}, row_number() OVER (PARTITION BY {ours} ORDER BY n) AS nth
        FROM ours
        WHERE NOT EXISTS (SELECT FROM paired WHERE paired.ours = ours.n)
          AND {only_ours}
    ) AS o (n, {names}, nth)
    JOIN (
        SELECT n, {theirs}, row_number() OVER (PARTITION BY {theirs} ORDER BY n) AS nth
        FROM theirs
        WHERE NOT EXISTS (SELECT FROM paired WHERE paired.theirs = theirs.n)
          AND {only_theirs}
    ) AS t (n, {names}, nth) USING ({names}, nth)
"""
COMPARED = """
    WITH sides AS (
        SELECT o.id AS our_id, o.agent AS our_agent, o.at AS our_time,
               o.meter AS our_meter, o.used_on AS our_date, o.quantity AS our_quantity,
               t.id, t.agent, t.at, t.meter, t.used_on, t.quantity,
               coalesce(o.used_on >= %(month)s AND o.used_on < %(next)s, false)
                   AS ours_counts,
               coalesce(t.used_on >= %(month)s AND t.used_on < %(next)s, false)
                   AS theirs_counts
        FROM ours AS o
        LEFT JOIN paired ON paired.ours = o.n
        FULL JOIN theirs AS t ON t.n = paired.theirs
    ), compared AS (
        SELECT *, CASE
            WHEN our_id IS NULL THEN 'only_theirs'
            WHEN id IS NULL THEN 'only_ours'
            WHEN our_meter <> meter THEN 'other_meter'
            WHEN our_date <> used_on THEN 'other_day'
            WHEN our_quantity <> quantity THEN 'other_quantity'
            ELSE 'equal' END AS kind,
            CASE WHEN ours_counts THEN our_quantity ELSE 0 END AS our_sum,
            CASE WHEN theirs_counts THEN quantity ELSE 0 END AS their_sum
        FROM sides WHERE ours_counts OR theirs_counts
    )
"""
SUMS = """
    SELECT kind, coalesce(our_meter, meter), count(*), sum(our_sum), sum(their_sum)
    FROM compared GROUP BY 1, 2
    UNION ALL SELECT 'unreadable', '', count(*), 0, 0 FROM unreadable HAVING count(*) > 0
    ORDER BY 1, 2
"""
DIFFERENCES = """
    SELECT kind, coalesce(our_id, id), coalesce(our_agent, agent, ''),
           coalesce(our_time, at), our_quantity, quantity, our_sum - their_sum,
           CASE kind
               WHEN 'only_theirs' THEN EXISTS (SELECT FROM ours WHERE id = compared.id)
               WHEN 'only_ours' THEN EXISTS (SELECT FROM theirs WHERE id = our_id)
           END,
           our_meter, meter, our_date, used_on
    FROM compared WHERE kind <> 'equal'
    ORDER BY kind, coalesce(our_time, at), coalesce(our_id, id)
"""


class BadMonth(Refusal):
    code = "bad_month"


@dataclass(frozen=True, slots=True)
class UsageDifference:
    """One record that is not the same on both sides; `of_month` is ours less theirs.

    A quantity is None where that side has no such record.
    """

    kind: str
    id: str
    agent: str
    at: datetime | None
    ours: Decimal | None
    theirs: Decimal | None
    of_month: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class ComparisonSum:
    """Records of one kind and meter: how many, and the month's raw sum of each side."""

    kind: str
    meter: str
    records: int
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True)
class UsageComparison:
    """What a file and our events of a month come to; `left_out` rows are no usage."""

    feed: str
    sums: Sequence[ComparisonSum]
    left_out: int
    elsewhere: int
    ids_in_common: bool

    @property
    def is_equal(self) -> bool:
        return all(one.kind == EQUAL for one in self.sums)


def compare_file(
    file: BufferedReader,
    *,
    agency: Agency,
    month: date,
    tell: Callable[[UsageDifference], object],
    feed: str = "",
    zone: str = "",
    source: str = "",
    by_time: bool = False,
) -> UsageComparison:
    """Hold a file against an agency's events of a month of local dates.

    Pairs by id, then, if told so, what is left by second of the answer, quantity and
    agent where both know one. `tell` is called for every difference. Nothing is kept,
    and repeating is harmless. Without a feed it is told by the file; a `zone` is that
    of its times without offset; a `source` narrows our side. Raises UnknownFormat,
    UnknownZone, BadEncoding, BadMonth, and what the format refuses.
    """
    if not EARLIEST <= month <= LATEST:
        raise BadMonth(f"There is no usage of {month:%Y-%m}.", field="month")
    feed = feed_of(file, feed)
    zones = zones_of([agency.pk])[agency.pk]
    zone = zone or zones[-1].zone
    require_zone(zone)
    rows = rows_of(file, feed, agency=agency.code, zone=zone)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(TABLES)
        left_out, elsewhere = _copy_theirs(rows, agency.code, zones)
        has_ids = _pair(agency, month, source, by_time=by_time)
        sums = _read_sums(month)
        for difference in _read_differences(month):
            tell(difference)
    return UsageComparison(feed, sums, left_out, elsewhere, has_ids)


def _copy_theirs(
    rows: Iterator[Row], code: str, zones: Sequence[ZonePeriod]
) -> tuple[int, int]:
    """Put the file beside ours; how many rows are no usage, and of other agencies."""
    left_out = elsewhere = 0
    numbers = count(1)  # a record may be two events
    for chunk in chunks_of(rows, most=CHUNK):
        told, unreadable = [], []
        for row in chunk:
            if row.left_out:
                left_out += 1
            elif row.event and row.event.agency != code:
                elsewhere += 1
            elif problem := _problem_of(row):
                unreadable.append((row.number, problem))
            elif row.event:
                told.append(_cells_of(next(numbers), row.event, zones))
        _copy(COPY_THEIRS, told)
        _copy(COPY_UNREADABLE, unreadable)
    return left_out, elsewhere


def _problem_of(row: Row) -> str:
    """Why a row cannot be compared; nothing if it can."""
    if row.event is None:
        return row.verdict.message.replace("\0", "?") if row.verdict else "No event."
    event = row.event
    if "\0" in f"{event.id}{event.agent}{event.meter}":
        return "No NUL characters."
    if not EARLIEST < event.occurred_at.date() < LATEST:
        return f"{event.occurred_at.date()} is out of range."
    return ""


def _cells_of(
    number: int, event: IncomingEvent, zones: Sequence[ZonePeriod]
) -> tuple[object, ...]:
    return (
        number,
        event.id,
        event.agent,
        event.meter,
        event.quantity,
        event.occurred_at,
        event.occurred_at.replace(microsecond=0),
        local_date(event.occurred_at, zones),
    )


def _copy(statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _pair(agency: Agency, month: date, source: str, *, by_time: bool) -> bool:
    """Read ours and pair both sides; whether any id is on both."""
    with connection.cursor() as cursor:
        cursor.execute(
            READ_OURS,
            {
                "agency": agency.pk,
                "first": month - AROUND,
                "end": next_month(month) + AROUND,
                "source": source,
            },
        )
        cursor.execute("ANALYZE ours, theirs")
        cursor.execute(_pass("id, meter, used_on, quantity"))
        cursor.execute(_pass("id"))
        cursor.execute(_pass("id", ours="replaces"))
        cursor.execute("SELECT EXISTS (SELECT FROM paired)")
        has_ids = bool(cursor.fetchone()[0])
        if by_time:
            cursor.execute(_pass("second, quantity, agent"))
            # One agent unknown before both: so most find a partner.
            for mine, yours in (("", "NOT"), ("NOT", ""), ("", "")):
                cursor.execute(
                    _pass(
                        "second, quantity",
                        only_ours=f"agent IS {mine} NULL",
                        only_theirs=f"agent IS {yours} NULL",
                    )
                )
    return has_ids


def _pass(
    theirs: str, *, ours: str = "", only_ours: str = "true", only_theirs: str = "true"
) -> str:
    return PAIR.format(
        theirs=theirs,
        ours=ours or theirs,
        names=theirs,
        only_ours=only_ours,
        only_theirs=only_theirs,
    )


def _read_sums(month: date) -> list[ComparisonSum]:
    with connection.cursor() as cursor:
        cursor.execute(COMPARED + SUMS, {"month": month, "next": next_month(month)})
        return [ComparisonSum(*row) for row in cursor.fetchall()]


def _read_differences(month: date) -> Iterator[UsageDifference]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            COMPARED + DIFFERENCES, {"month": month, "next": next_month(month)}
        )
        for kind, name, agent, at, ours, theirs, of_month, *more in cursor:
            why = _why(kind, ours, theirs, *more)
            yield UsageDifference(kind, name, agent, at, ours, theirs, of_month, why)
    with connection.chunked_cursor() as cursor:
        cursor.execute("SELECT n, why FROM unreadable ORDER BY n")
        for n, why in cursor:
            yield UsageDifference(
                UNREADABLE, f"row {n}", "", None, None, None, Decimal(0), why
            )


def _why(
    kind: str,
    ours: Decimal,
    theirs: Decimal,
    is_again: bool,  # noqa: FBT001
    our_meter: str,
    meter: str,
    our_date: date,
    used_on: date,
) -> str:
    """Everything in which the two sides differ, said for people."""
    if kind == ONLY_THEIRS:
        rest = "once more than among our events" if is_again else "not among our events"
        return f"{meter} on {used_on}: {rest}"
    if kind == ONLY_OURS:
        rest = "once more than in the file" if is_again else "not in the file"
        return f"{our_meter} on {our_date}: {rest}"
    pairs = (
        (our_meter, meter),
        (our_date, used_on),
        (plain(ours), plain(theirs)),
    )
    return "; ".join(
        f"ours {mine}, theirs {yours}" for mine, yours in pairs if mine != yours
    )
