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


@dataclass(frozen=True, slots=True)
class Head:
    """How a file begins: its first line, that line's cells, its first JSON record."""

    line: str
    cells: Sequence[str]
    record: Record | None


class Format(NamedTuple):
    """How a feed is read, and how a file of it is known."""

    read_rows: Reader
    recognises: Callable[[Head], bool]


FORMATS: Mapping[str, Format] = {
    "asterisk": Format(
        asterisk.read_rows, lambda head: asterisk.recognises(head.cells)
    ),
    "cloudevents": Format(
        cloudevents.read_rows, lambda head: cloudevents.recognises(head.record)
    ),
    "csv": Format(plain_csv.read_rows, lambda head: plain_csv.recognises(head.line)),
    "freeswitch": Format(
        freeswitch.read_rows,
        lambda head: freeswitch.recognises(head.cells, head.record),
    ),
    "telnyx": Format(telnyx.read_rows, lambda head: telnyx.recognises(head.record)),
    "twilio": Format(
        twilio.read_rows, lambda head: twilio.recognises(head.line, head.record)
    ),
    "vicidial": Format(vicidial.read_rows, lambda head: vicidial.recognises(head.line)),
}


def rows_of(
    file: BufferedReader, feed: str, *, agency: str, zone: str
) -> Iterator[Row]:
    """The rows of a file in a format, for an agency by code, whose zone holds for
    times without offset. Raises what the format refuses of the file as a whole.
    """
    context = FileContext(agency, ZoneInfo(zone), f"import:{feed}:{agency}")
    return FORMATS[feed].read_rows(file, context)


def feed_of(file: BufferedReader, named: str = "") -> str:
    """The name of a text file's format: as named, else told by how it begins.

    Raises BadEncoding; UnknownFormat for an unknown name, or where none fits, or
    more than one.
    """
    if b"\0" in file.peek(HEAD):
        raise BadEncoding("The file is no UTF-8 text.")
    if named and named not in FORMATS:
        raise UnknownFormat(f"There is no format {named}.", field="format")
    return named or _recognised(file)


def _recognised(file: BufferedReader) -> str:
    head = _head_of(file)
    found = [name for name, feed in FORMATS.items() if feed.recognises(head)]
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
        _, _, record = next(
            read_records(buffered(BytesIO(head)), page=page), (0, "", None)
        )
        if record is not None and not isinstance(record, BadRow):
            return record
    return None
