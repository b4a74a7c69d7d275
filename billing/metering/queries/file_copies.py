"""Copies a carrier's file into the temporary tables of a comparison."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import count, groupby, islice
from typing import Any

import msgspec
from django.db import connection

from billing.metering.domain.conversations import Verdict, decide_conversation
from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.catalogue import chunks_of
from billing.metering.domain.formats.rows import Row
from billing.metering.domain.legs import CallLeg
from billing.metering.queries.batch_context import EARLIEST
from billing.metering.queries.sql import LINK_FILE_LEGS
from core.periods import ZonePeriod, local_date

CHUNK = 5_000
MOST_LINKS = 20  # from a leg to another one by way of others, as in an import
LATEST = date(9990, 1, 1)
COPY_FILE_EVENTS = "COPY file_event FROM STDIN"
COPY_FILE_LEGS = "COPY file_leg FROM STDIN"
READ_FILE_LEGS = "SELECT conversation, content::text FROM file_leg ORDER BY 1, n"
COPY_FILE_LINKS = "COPY file_link FROM STDIN"
COPY_UNREADABLE = "COPY unreadable FROM STDIN"


class FileCopy:
    """Copies a file to its table: the events of its rows and of the legs that count.

    The legs of conversations are linked and sorted by the database first, and decided as
    at the end of a month: no other leg will come.
    """

    def __init__(self, code: str, source: str, zones: Sequence[ZonePeriod]) -> None:
        self._code = code
        self._source = source
        self._zones = zones
        self._numbers = count(1)  # not the row's: a record may be two events
        self.skipped: Counter[str] = Counter()
        self.skipped_seconds = Decimal(0)
        self.other_agencies = 0

    def copy(self, rows: Iterator[Row]) -> None:
        for chunk in chunks_of(rows, most=CHUNK):
            events: list[IncomingEvent] = []
            legs: list[tuple[object, ...]] = []
            links: set[tuple[object, ...]] = set()
            unreadable: list[tuple[int, str]] = []
            for row in chunk:
                if row.skip_reason:
                    self._skip(row.skip_reason, row.seconds)
                elif (
                    row.leg
                    and row.leg.conversation
                    and "\0" not in row.leg.conversation
                ):
                    content = msgspec.json.encode(row.leg).decode()
                    conversation = row.leg.conversation
                    legs.append((row.number, conversation, content))
                    links |= {(name, conversation) for name in row.leg.names}
                elif row.leg:
                    events += self._events_of([row.leg])
                elif row.event:
                    events.append(row.event)
                else:
                    unreadable.append((row.number, _rejection_of(row)))
            _copy(COPY_FILE_LEGS, legs)
            _copy(COPY_FILE_LINKS, links)
            _copy(COPY_UNREADABLE, [*unreadable, *self._copy_events(events)])
        self._copy_conversations()

    def _copy_conversations(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE file_leg, file_link")
            for _ in range(MOST_LINKS):
                cursor.execute(LINK_FILE_LEGS)
                if not cursor.rowcount:
                    break
        with connection.chunked_cursor() as cursor:
            cursor.execute(READ_FILE_LEGS)
            groups = groupby(cursor, key=lambda row: row[0])
            while several := list(islice(_groups_of_legs(groups), CHUNK)):
                events = [event for legs in several for event in self._events_of(legs)]
                _copy(COPY_UNREADABLE, self._copy_events(events))

    def _events_of(self, legs: Sequence[CallLeg]) -> Iterator[IncomingEvent]:
        """The events of the legs of a conversation that count."""
        decisions = decide_conversation(legs, is_complete=True)
        for leg in {leg.id: leg for leg in legs}.values():
            decision = decisions[leg.id]
            if decision.verdict is Verdict.COUNTS:
                yield leg.event(
                    source=self._source, agency=self._code, agent=decision.agent
                )
            else:
                self._skip(decision.reason, leg.seconds)

    def _skip(self, reason: str, seconds: Decimal) -> None:
        self.skipped[reason] += 1
        self.skipped_seconds += seconds

    def _copy_events(self, events: Iterable[IncomingEvent]) -> list[tuple[int, str]]:
        """Copy events; those that cannot be compared, with the reason."""
        cells, unreadable = [], []
        for event in events:
            number = next(self._numbers)
            if event.agency != self._code:
                self.other_agencies += 1
            elif reason := _unreadable_reason(event):
                unreadable.append((number, reason))
            else:
                cells.append(_cells_of(number, event, self._zones))
        _copy(COPY_FILE_EVENTS, cells)
        return unreadable


def _groups_of_legs(
    groups: Iterable[tuple[str, Iterable[Any]]],
) -> Iterator[list[CallLeg]]:
    """The legs of each conversation from its rows."""
    for _, rows in groups:
        yield [msgspec.json.decode(content, type=CallLeg) for _, content in rows]


def _rejection_of(row: Row) -> str:
    message = row.rejection.message if row.rejection else "The row has no event."
    return message.replace("\0", "?")


def _unreadable_reason(event: IncomingEvent) -> str:
    """Why an event cannot be compared; empty if it can."""
    if "\0" in f"{event.id}{event.agent}{event.meter}":
        return "The id, agent or meter contains a NUL character."
    if not EARLIEST < event.occurred_at.date() < LATEST:
        return f"The date {event.occurred_at.date()} is out of range."
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
        event.former_ids[0] if event.former_ids else None,
    )


def _copy(statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
