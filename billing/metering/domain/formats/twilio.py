"""Twilio's Call resources: pages of the API, a list, or a CSV of the same columns.

Used: sid, parent_call_sid, from, to, status, direction, start_time, end_time, duration,
answered_by. The quantity is the `duration` of a completed call. A leg to or from a
browser or desk phone (`client:`, `sip:`) is internal and skipped. Of a call with two
legs on the public network only the parent counts. An event has the id of the
conversation, so that a second leg is a duplicate. `answered_by` shows that machine
detection ran, which is an event of its own. Twilio does not name agents.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.json_records import Record, read_records, text_at
from billing.metering.domain.formats.legs import RecentIds, meter_of
from billing.metering.domain.formats.rows import (
    BadRow,
    FileContext,
    Row,
    SkippedRow,
    UnreadableCells,
    column_count_message,
    non_empty,
    parse_quantity,
    parse_time,
    require_columns,
    row_of,
    started_at_text,
)

NEEDED = ("sid", "status", "direction", "start_time", "duration")
INTERNAL_PREFIXES = ("client:", "sip:")
MOST_WAITING = 10_000  # child legs before their parent, which is close in the file
MOST_WAITING_CHARACTERS = 8_388_608  # of all waiting legs together
ON_NET, PUBLIC = "on-net", "public"


class WaitingLegs:
    """Child legs whose parent was not read yet, in bounded memory."""

    def __init__(self) -> None:
        self._children: dict[str, list[tuple[int, list[str], Record]]] = {}
        self._count = self._characters = 0

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._children))

    def add(self, parent: str, number: int, cells: list[str], record: Record) -> None:
        self._children.setdefault(parent, []).append((number, cells, record))
        self._count += 1
        self._characters += sum(map(len, cells))

    def pop(self, parent: str) -> list[tuple[int, list[str], Record]]:
        children = self._children.pop(parent, [])
        self._count -= len(children)
        self._characters -= sum(len(cell) for _, cells, _ in children for cell in cells)
        return children

    def is_full(self) -> bool:
        return self._count > MOST_WAITING or self._characters > MOST_WAITING_CHARACTERS


def recognizes(line: str, record: Record | None) -> bool:
    """Whether a header or a record has the names of a Twilio call."""
    names = set(record) if record is not None else set(line.split(","))
    return names >= set(NEEDED) or "calls" in names


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every call; a child leg waits until its parent was read."""
    parents = RecentIds()
    waiting = WaitingLegs()
    for number, cells, record in _records(file):
        if isinstance(record, BadRow):
            yield Row(number, cells, rejection=record.rejection)
            continue
        parent = str(record.get("parent_call_sid") or "")
        if parent and parent not in parents:
            waiting.add(parent, number, cells, record)
            if waiting.is_full():
                yield from _children(waiting, next(iter(waiting)), ON_NET, context)
            continue
        if parent:
            yield from _rows(number, cells, record, context, parents.note_of(parent))
            continue
        sid = str(record.get("sid"))
        parents.add(sid, ON_NET if _is_internal(record) else PUBLIC)
        yield from _rows(number, cells, record, context)
        yield from _children(waiting, sid, parents.note_of(sid), context)
    # A parent that is not in the file was not a call on the public network.
    for sid in waiting:
        yield from _children(waiting, sid, ON_NET, context)


def _records(
    file: BufferedReader,
) -> Iterator[tuple[int, list[str], Record | BadRow]]:
    if file.peek(1)[:1] in (b"{", b"["):
        for number, text, record in read_records(file, page="calls"):
            yield number, [text], record
        return
    rows = csv_cells(file)
    _, header = next(rows, (0, []))
    names = [name.strip().lower() for name in header]
    require_columns(names, NEEDED)
    for number, cells in rows:
        if isinstance(cells, UnreadableCells):
            yield number, cells, BadRow("bad_row", "", cells[0])
        elif len(cells) == len(names):
            yield number, cells, dict(zip(names, cells, strict=True))
        else:
            message = column_count_message(cells, names)
            yield number, cells, BadRow("bad_row", "", message)


def _children(
    waiting: WaitingLegs, parent: str, kind: str, context: FileContext
) -> Iterator[Row]:
    for number, cells, record in waiting.pop(parent):
        yield from _rows(number, cells, record, context, kind)


def _rows(
    number: int,
    cells: list[str],
    record: Record,
    context: FileContext,
    parent: str = "",
) -> Iterator[Row]:
    """The call of a leg that counts, and the detection that ran on it."""
    row = row_of(number, cells, partial(_call, record, context, parent))
    yield row
    if row.event and (answered_by := record.get("answered_by")):
        read = partial(_detection, row.event, record, str(answered_by))
        yield row_of(number, cells, read)


def _is_internal(record: Record) -> bool:
    ends = (text_at(record, "from"), text_at(record, "to"))
    return any(end.startswith(INTERNAL_PREFIXES) for end in ends)


def _call(record: Record, context: FileContext, parent: str) -> IncomingEvent:
    if _is_internal(record):
        raise SkippedRow("an internal leg")
    if parent == PUBLIC:
        raise SkippedRow("the other leg of a call")
    completed = text_at(record, "status") == "completed"
    seconds = Decimal(0)
    if completed:
        seconds = parse_quantity(text_at(record, "duration"), "duration")
    inbound = text_at(record, "direction") == "inbound"
    return IncomingEvent(
        source=context.source,
        id=text_at(record, "parent_call_sid") or text_at(record, "sid"),
        agency=context.agency,
        agent=None,
        meter=meter_of(inbound=inbound, to=text_at(record, "to")),
        quantity=seconds,
        occurred_at=_answered_at(record, seconds, context),
        properties=non_empty(
            disposition=text_at(record, "status"),
            started_at=started_at_text(
                partial(_time, text_at(record, "start_time"), "start_time", context)
            ),
        ),
    )


def _answered_at(record: Record, seconds: Decimal, context: FileContext) -> datetime:
    """The end of the call less its duration; without an end, its start."""
    if not seconds or not text_at(record, "end_time"):
        return _time(text_at(record, "start_time"), "start_time", context)
    end = _time(text_at(record, "end_time"), "end_time", context)
    if not 0 < seconds < 10**6:
        return end
    return end - timedelta(seconds=float(seconds))


def _time(text: str, field: str, context: FileContext) -> datetime:
    """A time in RFC 2822, as the API writes it, or in ISO 8601."""
    if not text.isascii() or "_" in text:
        return parse_time(text, field, context.zone)
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return parse_time(text, field, context.zone)


def _detection(call: IncomingEvent, record: Record, answered_by: str) -> IncomingEvent:
    return IncomingEvent(
        source=call.source,
        id=f"{text_at(record, 'sid')}:amd",
        agency=call.agency,
        agent=None,
        meter="amd",
        quantity=Decimal(1),
        occurred_at=call.occurred_at,
        properties={"answered_by": answered_by},
    )
