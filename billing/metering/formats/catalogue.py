"""Which feeds can be read, and which one a file is of. Pure."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.metering.formats import (
    asterisk,
    cloudevents,
    freeswitch,
    plain_csv,
    telnyx,
    twilio,
    vicidial,
)
from billing.metering.formats.json_records import Record, read_records
from billing.metering.formats.rows import (
    HEAD,
    BadEncoding,
    BadRow,
    FileContext,
    Reader,
    Row,
    buffered,
)
from seats.errors import Refusal


class UnknownFormat(Refusal):
    code = "unknown_format"


class TooManyRows(Refusal):
    code = "too_many_rows"


MOST_ROWS = 10_000_000
CHUNK_CHARACTERS = 8_388_608
CELL = 50  # what a cell takes beside its text
BINARY = {
    b"\x1f\x8b": "compressed with gzip",
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"PAR1": "Parquet",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


@dataclass(frozen=True, slots=True)
class Head:
    """How a file begins: its first line, that line's cells, its first JSON record."""

    line: str
    cells: Sequence[str]
    record: Record | None


class Format(NamedTuple):
    """How a feed is read, and how a file of it is known."""

    read_rows: Reader
    recognizes: Callable[[Head], bool]


FORMATS: Mapping[str, Format] = {
    "asterisk": Format(
        asterisk.read_rows, lambda head: asterisk.recognizes(head.cells)
    ),
    "cloudevents": Format(
        cloudevents.read_rows, lambda head: cloudevents.recognizes(head.record)
    ),
    "csv": Format(plain_csv.read_rows, lambda head: plain_csv.recognizes(head.line)),
    "freeswitch": Format(
        freeswitch.read_rows,
        lambda head: freeswitch.recognizes(head.cells, head.record),
    ),
    "telnyx": Format(telnyx.read_rows, lambda head: telnyx.recognizes(head.record)),
    "twilio": Format(
        twilio.read_rows, lambda head: twilio.recognizes(head.line, head.record)
    ),
    "vicidial": Format(vicidial.read_rows, lambda head: vicidial.recognizes(head.line)),
}


def rows_of(
    file: BufferedReader, feed: str, *, agency: str, zone: str
) -> Iterator[Row]:
    """The rows of a file in a format, for an agency by code, whose zone holds for
    times without offset. Raises TooManyRows, and what the format refuses of the file
    as a whole.
    """
    context = FileContext(agency, ZoneInfo(zone), f"import:{feed}:{agency}")
    for count, row in enumerate(FORMATS[feed].read_rows(file, context), 1):
        if count > MOST_ROWS:
            raise TooManyRows(f"More than {MOST_ROWS} rows; import the file in parts.")
        yield row


def chunks_of(rows: Iterator[Row], *, most: int) -> Iterator[list[Row]]:
    """The rows, at most so many at once, and no more than fit into memory."""
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += sum(map(len, row.cells)) + CELL * len(row.cells)
        if len(chunk) == most or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def feed_of(file: BufferedReader, named: str = "") -> str:
    """The name of a text file's format: as named, else told by how it begins.

    Raises BadEncoding; UnknownFormat for an unknown name, or where none fits, or
    more than one.
    """
    _require_text(file.peek(HEAD))
    if named and named not in FORMATS:
        raise UnknownFormat(f"There is no format {named}.", field="format")
    return named or _recognised(file)


def _require_text(head: bytes) -> None:
    """Refuse a file that is not UTF-8 text; a few bad bytes only cost their rows."""
    for magic, what in BINARY.items():
        if head.startswith(magic):
            raise BadEncoding(f"The file is {what}, not UTF-8 text.", field="file")
    if head.count(0) * 8 > len(head):
        raise BadEncoding("The file is not UTF-8 text.", field="file")


def _recognised(file: BufferedReader) -> str:
    head = _head_of(file)
    found = [name for name, feed in FORMATS.items() if feed.recognizes(head)]
    if len(found) != 1:
        which = " or ".join(found) or "none that is known"
        raise UnknownFormat(
            f"The format could be {which}; say which it is.", field="format"
        )
    return found[0]


def _head_of(file: BufferedReader) -> Head:
    head = file.peek(HEAD)
    line = head.decode("utf-8-sig", errors="replace").lstrip("\r\n").partition("\n")[0]
    line = line.rstrip("\r")
    record = None
    if line.lstrip()[:1] in ("{", "["):
        record = _first_record(head)
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:
        cells = []
    return Head(line, cells, record)


def _first_record(head: bytes) -> Record | None:
    """The first object, of a page the first of its list; None: it is none."""
    for page in ("calls", "data"):
        for _, _, record in read_records(buffered(BytesIO(head)), page=page):
            if not isinstance(record, BadRow):
                return record
    return None
