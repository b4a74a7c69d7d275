"""Reads rows of cells with bounded memory. Pure.

Cells are separated by commas, semicolons or tabs, as the first line shows or, as
spreadsheets write it, says (`sep=;`). A quote that is not closed affects its own row only.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Mapping
from io import BufferedReader
from itertools import count, islice

from billing.metering.domain.formats.rows import HEAD, UnreadableCells
from core.parsing.lines import bounded_lines

LONGEST_ROW = 65_536  # characters; a quoted cell may span lines
REREAD_FACTOR = 16  # how often, on average, a character may be read again
BLANK = "\ufeff\0 \r\n"
LINES_TRIED = 20  # to see how cells are separated
SEPARATOR_BYTES = 20
TOO_LONG = (
    f"The row has more than {LONGEST_ROW} characters, or a quote that is never closed."
)


class Tabs(csv.excel_tab):
    """Tab-separated cells in which quotes have no meaning."""

    quoting = csv.QUOTE_NONE


class Semicolons(csv.excel):
    """Cells separated by semicolons."""

    delimiter = ";"


DIALECTS: Mapping[str, type[csv.Dialect]] = {
    ",": csv.excel, ";": Semicolons, "\t": Tabs
}  # fmt: skip
QUOTED_CELL = re.compile(r'"(?:[^"]++|"")*+"')
SEPARATOR_LINE = re.compile(r"\ufeff?\s*sep=(.)\s*", re.IGNORECASE)


class _TooLong(Exception):
    """A row has more than LONGEST_ROW characters."""


def first_lines(file: BufferedReader) -> list[str]:
    """The first lines of a file that are neither empty nor name its separator."""
    text = file.peek(HEAD).decode("utf-8-sig", errors="replace")
    lines = (line.strip(BLANK) for line in text.splitlines())
    used = (line for line in lines if line and not SEPARATOR_LINE.fullmatch(line))
    return list(islice(used, LINES_TRIED))


def first_line(file: BufferedReader) -> str:
    """The first of these lines; empty without one."""
    return next(iter(first_lines(file)), "")


def dialect_of(file: BufferedReader) -> type[csv.Dialect]:
    """How the rows of a file are separated and quoted, by its first lines."""
    lines = first_lines(file)
    unquoted = QUOTED_CELL.sub("", "\n".join(lines))
    start = file.peek(HEAD)[:SEPARATOR_BYTES].decode("utf-8", errors="replace")
    named = SEPARATOR_LINE.match(start)
    delimiter = max(DIALECTS, key=unquoted.count)
    if named and named[1] in DIALECTS:
        delimiter = named[1]
    if delimiter == "\t" and any(line.startswith('"') for line in lines):
        return csv.excel_tab
    return DIALECTS[delimiter]


def first_cells(file: BufferedReader) -> list[str]:
    """The cells of the first row, without reading the file."""
    try:
        return next(csv.reader([first_line(file)], dialect_of(file)), [])
    except csv.Error:
        return []


def csv_cells(file: BufferedReader) -> Iterator[tuple[int, list[str]]]:
    """The cells of every row that is not empty, numbered from 1.

    Bytes that are not UTF-8 become replacement characters: they are often in the name
    of a caller, which is not stored. A row that cannot be read becomes UnreadableCells,
    and reading goes on at the line after its first one. A file with too many such rows
    ends with one for the rest of the file.
    """
    dialect = dialect_of(file)
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        for number, cells in _rows(_Lines(text), dialect):
            if number > 1 or not SEPARATOR_LINE.fullmatch(
                dialect.delimiter.join(cells)
            ):
                yield number, cells
    finally:
        if not file.closed:
            text.detach()


def _rows(
    lines: "_Lines", dialect: type[csv.Dialect]
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, dialect)
    for number in count(1):
        lines.begin_row()
        try:
            cells = next(reader)
            _require_closed_quotes(lines, dialect)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"The row has a quote that is not closed correctly: {error}."
            cells = UnreadableCells([reason])
        except _TooLong:
            cells = UnreadableCells([TOO_LONG])
        if isinstance(cells, UnreadableCells):
            reader = csv.reader(lines, dialect)
            if not lines.go_back():
                reason = f"The file cannot be read from here on. {cells[0]}"
                yield number, UnreadableCells([reason])
                return
        if cells:
            yield number, cells


def _require_closed_quotes(lines: "_Lines", dialect: type[csv.Dialect]) -> None:
    """Raises csv.Error if lines were joined to one row by a stray quote."""
    if len(lines.row) > 1 or lines.ended:
        for _ in csv.reader(lines.row, dialect, strict=True):
            pass


class _Lines:
    """The lines of a file, with a way back to the first line of the current row."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._lines = bounded_lines(text, LONGEST_ROW)
        self._again: deque[str | None] = deque()
        self._budget = REREAD_FACTOR * LONGEST_ROW
        self._size = 0
        self.row: list[str] = []
        self.ended = False

    def begin_row(self) -> None:
        self._budget += REREAD_FACTOR * self._size
        self._size = 0
        self.row = []

    def go_back(self) -> bool:
        """Go back to the line after the row's first; False once the budget is used up."""
        self._again.extendleft(reversed(self.row[1:]))
        self._budget -= self._size
        self._size = len(self.row[0]) if self.row else 0
        self.ended = False
        return self._budget > 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        """Raises _TooLong once the row is too long."""
        try:
            line = self._again.popleft() if self._again else next(self._lines)
        except StopIteration:
            self.ended = True
            raise
        if line is None:
            if self.row:  # the long line is the next row and is rejected as well
                self._again.appendleft(None)
            raise _TooLong
        self.row.append(line)
        self._size += len(line)
        if self._size > LONGEST_ROW and len(self.row) > 1:
            raise _TooLong
        return line
