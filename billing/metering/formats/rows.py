"""What every format gives: numbered rows that are events, or say why not. Pure."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import BufferedReader
from typing import Any
from zoneinfo import ZoneInfo

from billing.metering.events import IncomingEvent, IngestResult, rejected
from seats.errors import Refusal
from seats.parsing.values import parse_decimal, parse_instant, parse_integer, shown

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
MOST_DIGITS = 30  # orders of magnitude of a quantity, up and down
HEAD = 65_536  # bytes that are looked at to tell a file's format


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file, counted from 1: an event, a refusal, or left out.

    `left_out` says why a record is no usage of its own, say the other leg of a call;
    `cells` is the record as it stood in the file.
    """

    number: int
    cells: Sequence[str]
    event: IncomingEvent | None = None
    verdict: IngestResult | None = None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class FileContext:
    """What a file does not say itself.

    `agency` is the code of the agency it is of; `zone` the one its local times are
    in; `source` names the file's origin in every event.
    """

    agency: str
    zone: ZoneInfo
    source: str


class UnreadableCells(list[str]):
    """A row that could not be taken apart; its only cell says why."""


class BadRow(Exception):
    """A record that is no event; the verdict says why."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.verdict = rejected(code, field, message)


class SkippedRow(Exception):
    """A record that is no usage of its own."""


class BadEncoding(Refusal):
    code = "bad_encoding"


class ColumnMissing(Refusal):
    code = "column_missing"


Reader = Callable[[BufferedReader, FileContext], Iterator[Row]]


def buffered(raw: Any) -> BufferedReader:
    """A stream of bytes whose beginning can be looked at without being read."""
    return BufferedReader(raw, HEAD)


def row_of(number: int, cells: Sequence[str], read: Callable[[], IncomingEvent]) -> Row:
    """The row that reading a record gives, whatever comes of it."""
    if isinstance(cells, UnreadableCells):
        return Row(number, cells, verdict=rejected("bad_row", "", cells[0]))
    try:
        event = read()
    except BadRow as bad:
        return Row(number, cells, verdict=bad.verdict)
    except SkippedRow as reason:
        return Row(number, cells, left_out=str(reason))
    kept = (event.id, event.agent, *map(str, event.properties.values()))
    if any(UNREADABLE in (text or "") for text in kept):
        verdict = rejected("bad_encoding", "", "Not UTF-8.")
        return Row(number, cells, verdict=verdict)
    return Row(number, cells, event)


def require_columns(header: Sequence[str], needed: Sequence[str]) -> None:
    """Raises ColumnMissing, naming the first that is not there."""
    for name in needed:
        if name not in header:
            raise ColumnMissing(f"The header has no column {name}.", field=name)


class ContentIds:
    """Ids for records without one: a digest of the content, and which occurrence.

    The same file read again gives the same ids, and two equal records are two.
    """

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def id_of(self, cells: Sequence[str]) -> str:
        digest = hashlib.sha256("\x1f".join(cells).encode()).digest()[:16]
        self._seen[digest] += 1
        return f"sha256:{digest.hex()}:{self._seen[digest]}"


def parse_quantity(text: str, field: str) -> Decimal:
    """A plain decimal number. Raises BadRow."""
    try:
        number = parse_decimal(text.strip())
    except ValueError as error:
        raise BadRow("bad_quantity", field, str(error)) from error
    if abs(number.adjusted()) > MOST_DIGITS:
        raise BadRow("bad_quantity", field, f"{shown(text)} is out of range.")
    return number


def parse_time(text: str, field: str, zone: ZoneInfo) -> datetime:
    """An instant in UTC; without an offset it is local to the zone.

    A local time that a change of clocks makes twice is its first; one that it skips
    is as far after the change as it says. Raises BadRow.
    """
    try:
        moment = parse_instant(text.strip())
    except ValueError as error:
        raise BadRow("bad_time", field, f"{shown(text)} is not a time.") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise BadRow("bad_time", field, f"{shown(text)} is out of range.") from error


def parse_epoch(text: str, field: str) -> datetime:
    """An instant from whole seconds since 1970. Raises BadRow."""
    try:
        return datetime.fromtimestamp(parse_integer(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRow("bad_time", field, f"{shown(text)} is not a time.") from error


def started_at_text(read: Callable[[], datetime]) -> str:
    """When ringing began, ISO 8601 in UTC; empty where the feed does not say it."""
    try:
        return read().isoformat()
    except BadRow:
        return ""


def told(**properties: str) -> dict[str, str]:
    """The properties that say something."""
    return {name: value for name, value in properties.items() if value}
