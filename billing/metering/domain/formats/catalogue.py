"""The formats of usage files, and how the format of a file is detected. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import NamedTuple

from billing.metering.domain.directions import USUAL_WORDS, ContextWords
from billing.metering.domain.formats import (
    asterisk,
    cloudevents,
    freeswitch,
    plain_csv,
    telnyx,
    twilio,
    vicidial,
)
from billing.metering.domain.formats.csv_rows import first_cells, first_line
from billing.metering.domain.formats.json_records import Record, is_json, read_records
from billing.metering.domain.formats.rows import (
    HEAD,
    BadEncoding,
    BadRow,
    FileContext,
    Reader,
    Row,
    buffered,
)
from core.errors import Kind, Refusal
from core.parsing.values import shown
from core.periods import ZonePeriod


class UnknownFormat(Refusal):
    """The format does not exist, or the format of the file was not recognized.

    Choose one of the formats that `detail` lists.
    """

    code = "unknown_format"
    kind = Kind.MALFORMED


class TooManyRows(Refusal):
    """The file or the result has more rows than allowed.

    Import the file in parts, or request fewer dates or groups.
    """

    code = "too_many_rows"


MOST_ROWS = 10_000_000
CHUNK_CHARACTERS = 8_388_608
CELL_OVERHEAD = 50  # characters' worth of memory that a cell takes besides its text
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
    """The start of a file: its first line, that line's cells, its first JSON record."""

    line: str
    cells: list[str]
    record: Record | None


class Format(NamedTuple):
    """How files of a format are read and recognized."""

    read_rows: Reader
    recognizes: Callable[[Head], bool]


FORMATS: Mapping[str, Format] = {
    "asterisk": Format(
        asterisk.read_rows, lambda head: asterisk.recognizes(head.cells)
    ),
    "cloudevents": Format(
        cloudevents.read_rows, lambda head: cloudevents.recognizes(head.record)
    ),
    "csv": Format(plain_csv.read_rows, lambda head: plain_csv.recognizes(head.cells)),
    "freeswitch": Format(
        freeswitch.read_rows,
        lambda head: freeswitch.recognizes(head.cells, head.record),
    ),
    "telnyx": Format(
        telnyx.read_rows, lambda head: telnyx.recognizes(head.cells, head.record)
    ),
    "twilio": Format(
        twilio.read_rows, lambda head: twilio.recognizes(head.cells, head.record)
    ),
    "vicidial": Format(
        vicidial.read_rows, lambda head: vicidial.recognizes(head.cells, head.line)
    ),
}


def source_of(feed: str, agency: str) -> str:
    """The source of the events of an agency's files in a format."""
    return f"import:{feed}:{agency}"


def rows_of(
    file: BufferedReader,
    feed: str,
    *,
    agency: str,
    zone: str | Sequence[ZonePeriod],
    agents: Collection[str] = (),
    words: ContextWords = USUAL_WORDS,
) -> Iterator[Row]:
    """The rows of a file in the format `feed`, for an agency by code.

    `zone` holds for times without a zone: a name, or the dated zones of the agency.
    `agents` are the external ids of its agents, `words` those of its dial plan. Raises
    TooManyRows, and the refusals of the format for a whole file.
    """
    context = FileContext(agency, zone, source_of(feed, agency), agents, words)
    for count, row in enumerate(FORMATS[feed].read_rows(file, context), 1):
        if count > MOST_ROWS:
            raise TooManyRows(
                f"The file has more than {MOST_ROWS:,} rows. Import it in parts."
            )
        yield row


def chunks_of(rows: Iterator[Row], *, most: int) -> Iterator[list[Row]]:
    """The rows in chunks of at most `most` rows and a bounded size."""
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += sum(map(len, row.cells)) + CELL_OVERHEAD * len(row.cells)
        if len(chunk) == most or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def detect_format(file: BufferedReader, name: str = "") -> str:
    """The format of a text file: `name` if given, else detected from its start.

    Raises BadEncoding, and UnknownFormat if there is no format of this name, or if no
    format or more than one matches the file.
    """
    _require_text(file.peek(HEAD))
    if name and name not in FORMATS:
        raise UnknownFormat(
            f"There is no format {shown(name)}. Use one of {', '.join(sorted(FORMATS))}.",
            field="format",
        )
    return name or _detected_format(file)


def _require_text(head: bytes) -> None:
    """Raises BadEncoding unless a file is text; single bad bytes are left to the rows."""
    for magic, kind in BINARY.items():
        if head.startswith(magic):
            raise BadEncoding(
                f"The file is {kind}. Send it as UTF-8 text.", field="file"
            )
    for half in (head[0::2], head[1::2]):
        if half and half.count(0) * 10 > 9 * len(half):
            raise BadEncoding(
                "The file is not UTF-8 text; it may be UTF-16. Send it as UTF-8 text.",
                field="file",
            )


def _detected_format(file: BufferedReader) -> str:
    head = _head_of(file)
    matches = [name for name, feed in FORMATS.items() if feed.recognizes(head)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        message = f"The file could be {' or '.join(matches)}. Choose its format."
    else:
        message = (
            "The format of the file was not recognized. Choose one of"
            f" {', '.join(sorted(FORMATS))}."
        )
    raise UnknownFormat(message, field="format")


def _head_of(file: BufferedReader) -> Head:
    if is_json(file):
        return Head("", [], _first_record(file.peek(HEAD)))
    return Head(first_line(file), first_cells(file), None)


def _first_record(head: bytes) -> Record | None:
    """The first JSON object, or the first one in a page's list; None without one."""
    for page in ("calls", "data"):
        for _, _, record in read_records(buffered(BytesIO(head)), page=page):
            if not isinstance(record, BadRow):
                return record
    return None
