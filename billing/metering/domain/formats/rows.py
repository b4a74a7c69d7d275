"""Rows of files: each is an event, a rejection, or skipped. Pure.

Every format is a function from a file to numbered rows.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BufferedReader
from typing import Any

import msgspec

from billing.metering.domain.directions import (
    USUAL_WORDS,
    ContextWords,
    Direction,
    End,
    direction_in_context,
    end_of,
)
from billing.metering.domain.events import IncomingEvent, IngestResult, rejected
from billing.metering.domain.formats.times import BadTime, LocalClock, epoch_instant
from billing.metering.domain.legs import CallLeg
from billing.metering.domain.quantities import duration_of
from core.errors import Refusal
from core.parsing.values import parse_decimal, shown
from core.periods import ZonePeriod

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
ESCAPED_NUL = "\\u0000"  # as JSON writes it
DAMAGE = re.compile(f"[{UNREADABLE}\0]")
MAX_EXPONENT = 30  # powers of ten that a quantity may have, up and down
NOTHING = Decimal(0)
MOST_ENDS = 10_000  # that are kept
NOT_IN_NAMES = re.compile(r"[^a-z0-9]")
LONGEST_CALL = 10**6  # seconds; a longer call is rejected later and has no answer time
HEAD = 65_536  # bytes that are read to detect a file's format


class Row(msgspec.Struct, frozen=True, gc=False):
    """One result of reading a record of a file, numbered from 1.

    It is an event, a leg of a call (about which its conversation decides), a rejection,
    or skipped. `skip_reason` says why a record is not usage. `cells` holds the record as
    it is in the file, `seconds` the answered seconds that it says. An `unread` record
    could not be taken apart, so nobody knows what it says.
    """

    number: int
    cells: Sequence[str]
    event: IncomingEvent | None = None
    rejection: IngestResult | None = None
    skip_reason: str = ""
    leg: CallLeg | None = None
    seconds: Decimal = NOTHING
    unread: bool = False


class FileContext:
    """What the records of a file leave out.

    `agency` is the code of the agency for records without one, `zones` are those of
    times without one (a name, or the dated zones of an agency), `source` the source of
    events without one. `agents` are the external ids of the agency's agents: an end of a
    call that is one of them is an agent. `words` are those of its dial plan's contexts.
    """

    def __init__(
        self,
        agency: str,
        zones: str | Sequence[ZonePeriod],
        source: str,
        agents: Collection[str] = (),
        words: ContextWords = USUAL_WORDS,
    ) -> None:
        if isinstance(zones, str):
            zones = [ZonePeriod(date.min, zones)]
        self.agency = agency
        self.source = source
        self.agents = frozenset(agents)
        self.words = words
        self.clock = LocalClock(zones)
        self.ends_of_peers: dict[str, End] = {}
        self._ends: dict[str, End] = {}

    def end(self, name: str) -> End:
        """The end of a call with a name, such as a peer."""
        end = self._ends.get(name)
        if end is None:
            if len(self._ends) > MOST_ENDS:
                self._ends.clear()
            end = self._ends[name] = end_of(name, self.agents)
        return end

    def direction_in(self, dial_context: str) -> Direction | None:
        """The direction that the name of a dial plan context says, if any."""
        return direction_in_context(dial_context, self.words)


class UnreadableCells(list[str]):
    """A row that could not be split into cells; its only cell is the reason."""


class BadRow(Exception):
    """A record that is not a valid event, with its rejection."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.rejection = rejected(code, field, message)


class SkippedRow(Exception):
    """A record that is not usage, with the reason and its answered seconds."""

    def __init__(self, reason: str, seconds: Decimal = NOTHING) -> None:
        super().__init__(reason)
        self.seconds = seconds


class UnreadRecord(BadRow):
    """A record that could not be taken apart."""


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


def row_of(
    number: int, cells: Sequence[str], read: Callable[[], CallLeg | IncomingEvent]
) -> Row:
    """The row of a record: what `read` returns, a rejection, or skipped."""
    if isinstance(cells, UnreadableCells):
        return unread_row(number, cells, rejected("bad_row", "", cells[0]))
    try:
        content = read()
    except UnreadRecord as error:
        return unread_row(number, cells, error.rejection)
    except BadRow as error:
        return Row(number, cells, rejection=error.rejection)
    except SkippedRow as reason:
        return Row(number, cells, skip_reason=str(reason), seconds=reason.seconds)
    if (damage := _damage_in(cells)) and any(map(damage.search, _texts_of(content))):
        message = (
            "The row has a NUL character or bytes that are not UTF-8. Save the file as"
            " UTF-8."
        )
        return Row(number, cells, rejection=rejected("bad_encoding", "", message))
    if isinstance(content, CallLeg):
        return Row(number, cells, leg=content, seconds=content.seconds)
    is_call = content.meter.startswith("voice.")
    return Row(number, cells, content, seconds=content.quantity if is_call else NOTHING)


def unread_row(number: int, cells: Sequence[str], rejection: IngestResult) -> Row:
    """The row of a record that could not be taken apart."""
    return Row(number, cells, rejection=rejection, unread=True)


def _damage_in(cells: Sequence[str]) -> re.Pattern[str] | None:
    """What to look for in the texts of a row whose cells may be damaged."""
    text = "".join(cells)
    return DAMAGE if UNREADABLE in text or "\0" in text or ESCAPED_NUL in text else None


def _texts_of(content: CallLeg | IncomingEvent) -> Iterator[str]:
    """The texts that are stored, or by which rows find each other."""
    yield content.id
    yield content.agent or ""
    yield from map(str, content.properties.values())
    if isinstance(content, CallLeg):
        yield from (content.conversation, content.other, content.parent)


def header_names(cells: Sequence[str]) -> list[str]:
    """The names of a header without case, blanks and punctuation: CallSid is callsid."""
    return [NOT_IN_NAMES.sub("", cell.lower()) for cell in cells]


def require_columns(header: Sequence[str], needed: Sequence[str]) -> None:
    """Raises ColumnMissing for the first needed column that the header lacks."""
    for name in needed:
        if name not in header:
            raise ColumnMissing(
                f"The header has no column {name!r}. Add it, or choose another format.",
                field=name,
            )


def require_values(record: Mapping[str, object], needed: Sequence[str]) -> None:
    """Raises BadRow for the first needed value that a record lacks."""
    for name in needed:
        if record.get(name) in (None, ""):
            raise BadRow("bad_row", name, f"The record has no {name}.")


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


def parse_time(text: str, field: str, context: FileContext) -> datetime:
    """An instant in UTC; a time without a zone is local. Raises BadRow."""
    try:
        return context.clock.instant(text)
    except BadTime as error:
        raise BadRow("bad_time", field, str(error)) from error


def parse_epoch(text: str, field: str) -> datetime:
    """An instant from whole seconds since 1970. Raises BadRow."""
    try:
        return epoch_instant(text)
    except BadTime as error:
        raise BadRow("bad_time", field, str(error)) from error


def answered_at(*, ended: datetime, seconds: Decimal) -> datetime:
    """The answer of a call that ended after so many seconds."""
    if not 0 < seconds < LONGEST_CALL:
        return ended
    return ended - duration_of(seconds)


def started_at_text(read: Callable[[], datetime]) -> str:
    """When ringing began, ISO 8601 in UTC; empty if the record does not have it."""
    try:
        return read().isoformat()
    except BadRow:
        return ""


def non_empty(**properties: str) -> dict[str, str]:
    """The properties that have a value."""
    return {name: value for name, value in properties.items() if value}
