"""What every format gives: numbered rows that are events, or say why not. Pure."""

import csv
import hashlib
import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from io import BufferedReader
from typing import Any
from zoneinfo import ZoneInfo

from billing.metering.events import IncomingEvent, Verdict, rejected
from seats.errors import Refusal

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
SHOWN = 40
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
    verdict: Verdict | None = None
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


class BadRow(Exception):
    """A record that is no event; the verdict says why."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.verdict = rejected(code, field, message)


class LeftOut(Exception):
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
    try:
        event = read()
    except BadRow as bad:
        return Row(number, cells, verdict=bad.verdict)
    except LeftOut as reason:
        return Row(number, cells, left_out=str(reason))
    kept = (event.id, event.agent, *map(str, event.properties.values()))
    if any(UNREADABLE in (text or "") for text in kept):
        verdict = rejected("bad_encoding", "", "Not UTF-8.")
        return Row(number, cells, verdict=verdict)
    return Row(number, cells, event)


def csv_cells(
    file: BufferedReader, *, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """The cells of every line that is not empty, counted from 1.

    What is no UTF-8 becomes a replacement character: it often stands in a caller's
    name, which nobody keeps. A line that cannot be read becomes a single cell, which
    no format takes for a record.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        reader = csv.reader(
            text,
            delimiter=delimiter,
            quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL,
        )
        for number in itertools.count(1):
            try:
                cells = next(reader)
            except csv.Error as error:
                cells = [str(error)]
            except StopIteration:
                return
            if cells:
                yield number, cells
    finally:
        if not file.closed:
            text.detach()


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
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise BadRow("bad_quantity", field, f"{text[:SHOWN]!r} is no number.")
    return number


def parse_time(text: str, field: str, zone: ZoneInfo) -> datetime:
    """An instant in UTC; without an offset it is local to the zone.

    A local time that a change of clocks makes twice is its first; one that it skips
    is as far after the change as it says. Raises BadRow.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadRow("bad_time", field, f"{text[:SHOWN]!r} is no time.") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise BadRow("bad_time", field, f"{text[:SHOWN]!r} is out of range.") from error


def parse_epoch(text: str, field: str) -> datetime:
    """An instant from whole seconds since 1970. Raises BadRow."""
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRow("bad_time", field, f"{text[:SHOWN]!r} is no time.") from error


def began_at(read: Callable[[], datetime]) -> str:
    """When ringing began, ISO 8601 in UTC; empty where the feed does not say it."""
    try:
        return read().isoformat()
    except BadRow:
        return ""


def told(**properties: str) -> dict[str, str]:
    """The properties that say something."""
    return {name: value for name, value in properties.items() if value}
