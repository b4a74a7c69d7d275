"""Compares a carrier's file with the stored events of a month.

Both sides are copied into temporary tables and paired by PostgreSQL, so a file of any
size takes no more memory in this process than one chunk of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BufferedReader

from django.db import connection, transaction

from billing.metering.domain.formats.catalogue import (
    detect_format,
    source_of,
)
from billing.metering.models import ConversationLeg
from billing.metering.queries.agency_files import rows_of_agency
from billing.metering.queries.batch_context import EARLIEST
from billing.metering.queries.file_copies import LATEST, FileCopy
from billing.metering.queries.sql import (
    COMPARED,
    COMPARISON_DIFFERENCES,
    COMPARISON_SUMS,
    COMPARISON_TABLES,
    PAIR_EVENTS,
    READ_STORED_EVENTS,
)
from core.errors import BadMonth
from core.money import plain
from core.periods import next_month
from seats.agencies.queries.agencies import zones_of
from seats.agencies.services import require_zone
from seats.models import Agency

MARGIN = timedelta(days=31)  # stored events are read this far around the month

EQUAL = "equal"
ONLY_IN_FILE, ONLY_STORED, UNREADABLE = "only_in_file", "only_stored", "unreadable"


@dataclass(frozen=True, slots=True)
class UsageDifference:
    """One record that differs between the stored events and the file.

    `stored` and `in_file` are raw quantities, None if that side has no such record.
    `of_month` is the stored quantity less the file's, within the month.
    """

    kind: str
    id: str
    agent: str
    at: datetime | None
    stored: Decimal | None
    in_file: Decimal | None
    of_month: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class ComparisonSum:
    """The number of records of a kind and meter, and the month's raw sum of each side."""

    kind: str
    meter: str
    records: int
    stored: Decimal
    in_file: Decimal


@dataclass(frozen=True, slots=True)
class UsageComparison:
    """The comparison of a file with the stored events of a month.

    `skipped` counts the rows that are no usage, by reason, and `skipped_seconds` their
    answered seconds: an import leaves out the same rows, so both sides lack them.
    `waiting` is the number of stored legs of the month that wait for another one, and
    `other_agencies` counts rows of other agencies.
    """

    feed: str
    sums: Sequence[ComparisonSum]
    skipped: Mapping[str, int]
    skipped_seconds: Decimal
    waiting: int
    other_agencies: int
    ids_in_common: bool

    @property
    def is_equal(self) -> bool:
        return all(row.kind == EQUAL for row in self.sums)


def compare_file(
    file: BufferedReader,
    *,
    agency: Agency,
    month: date,
    on_difference: Callable[[UsageDifference], object],
    feed: str = "",
    zone: str = "",
    source: str = "",
    by_time: bool = False,
) -> UsageComparison:
    """Compare a file with an agency's stored events of a month of local dates.

    Records are paired by id; with `by_time` the rest is paired by second of the answer,
    quantity and, if both sides have one, agent. `on_difference` is called for each
    difference. Nothing is stored, and repeating is safe. Without a `feed` the format is
    detected; `zone` holds for times without an offset (default: the agency's); `source`
    limits the stored events. Raises UnknownFormat, UnknownZone, BadEncoding, BadMonth,
    and the refusals of the format for a whole file.
    """
    _require_month(month)
    feed = detect_format(file, feed)
    zones = zones_of([agency.pk])[agency.pk]
    if zone:
        require_zone(zone)
    rows = rows_of_agency(file, feed, agency=agency, zone=zone)
    copy = FileCopy(agency.code, source_of(feed, agency.code), zones)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(COMPARISON_TABLES)
        copy.copy(rows)
        has_ids = _pair(agency, month, source, by_time=by_time)
        sums = _read_sums(month)
        for difference in _read_differences(month):
            on_difference(difference)
    return UsageComparison(
        feed,
        sums,
        copy.skipped,
        copy.skipped_seconds,
        _count_waiting(agency, month),
        copy.other_agencies,
        has_ids,
    )


def _require_month(month: date) -> None:
    if not EARLIEST <= month <= LATEST:
        raise BadMonth(
            f"{month:%Y-%m} cannot be compared. Choose a month from {EARLIEST:%Y-%m} to"
            f" {LATEST:%Y-%m}.",
            field="month",
        )


def _count_waiting(agency: Agency, month: date) -> int:
    """The stored legs of a month that wait for another one."""
    legs = ConversationLeg.objects.filter(
        agency=agency,
        state=ConversationLeg.State.WAITING,
        used_on__gte=month,
        used_on__lt=next_month(month),
    )
    return legs.count()


def _pair(agency: Agency, month: date, source: str, *, by_time: bool) -> bool:
    """Read the stored events and pair both sides; whether any id is on both sides."""
    with connection.cursor() as cursor:
        cursor.execute(
            READ_STORED_EVENTS,
            {
                "agency": agency.pk,
                "first": month - MARGIN,
                "end": next_month(month) + MARGIN,
                "source": source,
            },
        )
        cursor.execute("ANALYZE stored_event, file_event")
        cursor.execute(_pass("id, meter, used_on, quantity"))
        cursor.execute(_pass("id"))
        cursor.execute(_pass("id", stored_columns="replaces"))
        # Stored under an id that earlier versions gave the row.
        same = "quantity, at"
        cursor.execute(_pass(f"former, {same}", stored_columns=f"id, {same}"))
        cursor.execute("SELECT EXISTS (SELECT FROM paired)")
        has_ids = bool(cursor.fetchone()[0])
        if by_time:
            cursor.execute(_pass("second, quantity, agent"))
            # Pairs in which one side has no agent come before those in which both have
            # none, so that most records find a partner.
            for stored_not, file_not in (("", "NOT"), ("NOT", ""), ("", "")):
                cursor.execute(
                    _pass(
                        "second, quantity",
                        stored_condition=f"agent IS {stored_not} NULL",
                        file_condition=f"agent IS {file_not} NULL",
                    )
                )
    return has_ids


def _pass(
    columns: str,
    *,
    stored_columns: str = "",
    stored_condition: str = "true",
    file_condition: str = "true",
) -> str:
    """The statement that pairs unpaired records with equal columns."""
    return PAIR_EVENTS.format(
        file_columns=columns,
        stored_columns=stored_columns or columns,
        names=columns,
        stored_condition=stored_condition,
        file_condition=file_condition,
    )


def _read_sums(month: date) -> list[ComparisonSum]:
    with connection.cursor() as cursor:
        cursor.execute(
            COMPARED + COMPARISON_SUMS, {"month": month, "next": next_month(month)}
        )
        return [ComparisonSum(*row) for row in cursor.fetchall()]


def _read_differences(month: date) -> Iterator[UsageDifference]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            COMPARED + COMPARISON_DIFFERENCES,
            {"month": month, "next": next_month(month)},
        )
        for kind, id_, agent, at, stored, in_file, of_month, *details in cursor:
            why = _explanation(kind, stored, in_file, *details)
            yield UsageDifference(kind, id_, agent, at, stored, in_file, of_month, why)
    with connection.chunked_cursor() as cursor:
        cursor.execute("SELECT n, why FROM unreadable ORDER BY n")
        for n, why in cursor:
            yield UsageDifference(
                UNREADABLE, f"row {n}", "", None, None, None, Decimal(0), why
            )


def _explanation(
    kind: str,
    stored: Decimal,
    in_file: Decimal,
    is_repeated: bool,  # noqa: FBT001
    stored_meter: str,
    meter: str,
    stored_date: date,
    used_on: date,
) -> str:
    """Everything that differs between the two sides, as text for people."""
    if kind == ONLY_IN_FILE:
        rest = "more often than stored" if is_repeated else "not stored"
        return f"{meter} on {used_on}: {rest}"
    if kind == ONLY_STORED:
        rest = "more often than in the file" if is_repeated else "not in the file"
        return f"{stored_meter} on {stored_date}: {rest}"
    pairs = (
        (stored_meter, meter),
        (stored_date, used_on),
        (plain(stored), plain(in_file)),
    )
    return "; ".join(
        f"stored {stored_text}, in the file {file_text}"
        for stored_text, file_text in pairs
        if stored_text != file_text
    )
