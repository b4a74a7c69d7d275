"""Rows of files: each is an event, a rejection, or skipped. Pure.

Every format is a function from a file to numbered rows.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import BufferedReader
from typing import Any
from zoneinfo import ZoneInfo

from billing.metering.domain.events import IncomingEvent, IngestResult, rejected
from core.errors import Refusal
from core.parsing.values import parse_decimal, parse_instant, parse_integer, shown

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
MAX_EXPONENT = 30  # powers of ten that a quantity may have, up and down
HEAD = 65_536  # bytes that are read to detect a file's format


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file, numbered from 1: an event, a rejection, or skipped.

    `skip_reason` says why a record is not usage, for example the other leg of a call.
    `cells` holds the record as it is in the file.
    """

    number: int
    cells: Sequence[str]
    event: IncomingEvent | None = None
    rejection: IngestResult | None = None
    skip_reason: str = ""


@dataclass(frozen=True, slots=True)
class FileContext:
    """What the records of a file leave out.

    `agency` is the code of the agency for records without one, `zone` the time zone of
    times without an offset, `source` the source of events without one.
    """

    agency: str
    zone: ZoneInfo
    source: str


class UnreadableCells(list[str]):
    """A row that could not be split into cells; its only cell is the reason."""


class BadRow(Exception):
    """A record that is not a valid event, with its rejection."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.rejection = rejected(code, field, message)


class SkippedRow(Exception):
    """A record that is not usage, with the reason."""


class BadEncoding(Refusal):
    """The file is not text.

    Send the file as UTF-8 text, not compressed and not as a spreadsheet.
    """

    code = "bad_encoding"


class ColumnMissing(Refusal):
    """The header of the file lacks a column that the format requires.

    Add the column that `field` names, or choose another format.
    """

    code = "column_missing"


Reader = Callable[[BufferedReader, FileContext], Iterator[Row]]


def buffered(raw: Any) -> BufferedReader:
    """A stream of bytes with a buffer that `peek` can look into."""
    return BufferedReader(raw, HEAD)


def row_of(number: int, cells: Sequence[str], read: Callable[[], IncomingEvent]) -> Row:
    """The row of a record: the event that `read` returns, a rejection, or skipped."""
    if isinstance(cells, UnreadableCells):
        return Row(number, cells, rejection=rejected("bad_row", "", cells[0]))
    try:
        event = read()
    except BadRow as error:
        return Row(number, cells, rejection=error.rejection)
    except SkippedRow as reason:
        return Row(number, cells, skip_reason=str(reason))
    stored_texts = (event.id, event.agent, *map(str, event.properties.values()))
    if any(UNREADABLE in (text or "") for text in stored_texts):
        message = "The row has bytes that are not UTF-8. Save the file as UTF-8."
        return Row(number, cells, rejection=rejected("bad_encoding", "", message))
    return Row(number, cells, event)


def require_columns(header: Sequence[str], needed: Sequence[str]) -> None:
    """Raises ColumnMissing for the first needed column that the header lacks."""
    for name in needed:
        if name not in header:
            raise ColumnMissing(
                f"The header has no column {name!r}. Add it, or choose another format.",
                field=name,
            )


def column_count_message(cells: Sequence[str], header: Sequence[str]) -> str:
    """The message for a row whose number of cells differs from its header's."""
    return f"The row has {len(cells)} columns, but the header has {len(header)}."


class ContentIds:
    """Ids for records without one: a digest of the content and its occurrence.

    The same file always gives the same ids, and equal records get different ones.
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
    if abs(number.adjusted()) > MAX_EXPONENT:
        raise BadRow("bad_quantity", field, f"{shown(text)} is out of range.")
    return number


def parse_time(text: str, field: str, zone: ZoneInfo) -> datetime:
    """An instant in UTC; a time without an offset is local to the zone.

    Of a local time that occurs twice the first is meant; one that clocks skip is moved
    past the gap. Raises BadRow.
    """
    try:
        instant = parse_instant(text.strip())
    except ValueError as error:
        message = f"{shown(text)} is not an ISO 8601 time."
        raise BadRow("bad_time", field, message) from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    try:
        return instant.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise BadRow("bad_time", field, f"{shown(text)} is out of range.") from error


def parse_epoch(text: str, field: str) -> datetime:
    """An instant from whole seconds since 1970. Raises BadRow."""
    try:
        return datetime.fromtimestamp(parse_integer(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        message = f"{shown(text)} is not a time in seconds since 1970."
        raise BadRow("bad_time", field, message) from error


def started_at_text(read: Callable[[], datetime]) -> str:
    """When ringing began, ISO 8601 in UTC; empty if the record does not have it."""
    try:
        return read().isoformat()
    except BadRow:
        return ""


def non_empty(**properties: str) -> dict[str, str]:
    """The properties that have a value."""
    return {name: value for name, value in properties.items() if value}
