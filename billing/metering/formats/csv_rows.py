"""Rows of cells, with commas or tabs: bounded, and one bad quote costs one row. Pure."""

import csv
import io
from collections import deque
from collections.abc import Iterator, Mapping
from io import BufferedReader
from itertools import count

from billing.metering.formats.rows import UnreadableCells
from seats.parsing.lines import bounded_lines

LONGEST_ROW = 65_536  # characters; a row may have several lines, between quotes
READ_AGAIN = 16  # times what was read, at most; and so many rows of the longest kind
TOO_LONG = f"A row of more than {LONGEST_ROW} characters, or a quote that never closes."


class Tabs(csv.excel_tab):
    """Tabs, and quotes are text like any other."""

    quoting = csv.QUOTE_NONE


DIALECTS: Mapping[str, type[csv.Dialect]] = {",": csv.excel, "\t": Tabs}


class _TooLong(Exception):
    """A row of more characters than any has."""


def csv_cells(
    file: BufferedReader, *, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """The cells of every row that is not empty, counted from 1.

    What is no UTF-8 becomes a replacement character: it often stands in a caller's
    name, which nobody keeps. A row that cannot be read becomes UnreadableCells, and
    the next one begins on the line after its first: a quote that does not close costs
    one row. Where that happens all the time, the rest of the file is one such row.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        yield from _rows(_Lines(text), DIALECTS[delimiter])
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
            cells = UnreadableCells([f"A quote does not close, or not well: {error}."])
        except _TooLong:
            cells = UnreadableCells([TOO_LONG])
        if isinstance(cells, UnreadableCells):
            reader = csv.reader(lines, dialect)
            if not lines.go_back():
                yield number, UnreadableCells([f"Unreadable from here. {cells[0]}"])
                return
        if cells:
            yield number, cells


def _require_closed_quotes(lines: "_Lines", dialect: type[csv.Dialect]) -> None:
    """Several lines are one row only if their quotes are as they should be: otherwise
    one of them has a quote too many. Raises csv.Error.
    """
    if len(lines.row) > 1 or lines.ended:
        for _ in csv.reader(lines.row, dialect, strict=True):
            pass


class _Lines:
    """The lines of a file; those of the row that is being read can be read again."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._lines = bounded_lines(text, LONGEST_ROW)
        self._again: deque[str | None] = deque()
        self._budget = READ_AGAIN * LONGEST_ROW
        self._size = 0
        self.row: list[str] = []
        self.ended = False

    def begin_row(self) -> None:
        self._budget += READ_AGAIN * self._size
        self._size = 0
        self.row = []

    def go_back(self) -> bool:
        """Read the lines after the row's first again, unless that was done too often."""
        self._again.extendleft(reversed(self.row[1:]))
        self._budget -= self._size
        self._size = len(self.row[0]) if self.row else 0
        self.ended = False
        return self._budget > 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        """Raises _TooLong where the row becomes too long."""
        try:
            line = self._again.popleft() if self._again else next(self._lines)
        except StopIteration:
            self.ended = True
            raise
        if line is None:
            if self.row:  # that line is the next row, and refused as well
                self._again.appendleft(None)
            raise _TooLong
        self.row.append(line)
        self._size += len(line)
        if self._size > LONGEST_ROW and len(self.row) > 1:
            raise _TooLong
        return line
