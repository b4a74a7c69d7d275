"""Reads a roster as people keep it in a spreadsheet: rows of cells, by column. Pure."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.errors import Refusal
from core.parsing.values import shown
from core.tables import safe_cell

MOST_BYTES = 512 * 1024
MOST_ROWS = 2_000
MOST_COLUMNS = 50
COLUMNS = ["seat", "agent", "name", "email", "npn", "added_on", "removed_on"]
OTHER_NAMES = {
    "external_id": "agent",
    "agent_id": "agent",
    "dialer_id": "agent",
    "e_mail": "email",
    "seat_id": "seat",
}
SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx and ods, xls
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)


class BadRosterFile(Refusal):
    """The file cannot be read as a roster.

    Save it as CSV with a line of column names, as the download of the roster has it.
    """

    code = "bad_roster_file"


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row, or with one of its cells. `code` is stable."""

    row: int
    column: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RosterRow:
    """The cells of a row by column, without blanks around them.

    Rows are numbered as in a spreadsheet: the column names are row 1.
    """

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class RosterFile:
    """The rows of a file, and those that could not be taken apart."""

    columns: Sequence[str]
    rows: Sequence[RosterRow]
    errors: Sequence[RowError]


def read_roster(content: bytes) -> RosterFile:
    """Take a file apart. Raises BadRosterFile where that is not possible at all.

    It may be UTF-8, UTF-16 with a byte order mark, or Windows-1252; separated by commas,
    semicolons or tabs.
    """
    text = _decoded(content)
    separator = SEPARATOR_LINE.match(text)
    text = text[separator.end() :] if separator else text
    delimiter = separator[1] if separator else _delimiter(text)
    records = _records(text, delimiter)
    columns = [_column(name) for name in next(records, (0, []))[1]]
    if errors := list(_column_errors(columns)):
        return RosterFile(columns, [], errors)
    rows: list[RosterRow] = []
    for number, cells in records:
        if not any(cells):
            continue
        if len(rows) + len(errors) >= MOST_ROWS:
            raise BadRosterFile(
                f"The file has more than {MOST_ROWS:,} rows. Upload it in parts, without"
                " removing the agents that are missing."
            )
        if len(cells) != len(columns):
            errors.append(_miscounted(number, len(cells), len(columns)))
        else:
            rows.append(RosterRow(number, dict(zip(columns, cells, strict=True))))
    return RosterFile(columns, rows, errors)


def written(value: str) -> str:
    """A value as it stands in the file that people download."""
    return safe_cell(value).strip()


def entered(cell: str) -> str:
    """The value of a cell: without the apostrophe that protects a spreadsheet."""
    bare = cell[1:]
    return bare if cell.startswith("'") and safe_cell(bare) == cell else cell


def _decoded(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise BadRosterFile(
            f"The file has more than {MOST_BYTES // 1024} KB. Upload it in parts."
        )
    if content.startswith(SPREADSHEETS):
        raise BadRosterFile(
            "The file is a spreadsheet. Save it as CSV and upload that."
        )
    marked = (name for mark, name in MARKS.items() if content.startswith(mark))
    encoding = next(marked, None)
    text = _text(content, encoding or "utf-8")
    if text is None and encoding is None:
        text = _text(content, "cp1252")
    if text is None or "\0" in text:
        raise BadRosterFile("The file is not text. Save it as CSV in UTF-8.")
    if not text.strip():
        raise BadRosterFile(
            "The file is empty. Download the roster to see its columns."
        )
    return text


def _text(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _delimiter(text: str) -> str:
    """What separates the column names; a comma if there is but one."""
    head = text.partition("\n")[0]
    return max([",", ";", "\t"], key=head.count)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records with their numbers. Raises BadRosterFile."""
    number = 0
    try:
        for number, record in enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True),
            start=1,
        ):
            yield number, [cell.strip() for cell in record]
    except (csv.Error, TypeError, ValueError) as error:
        raise BadRosterFile(
            f"Row {number + 1} cannot be read: {error}. Check its quotation marks."
        ) from error


def _column(name: str) -> str:
    plain = re.sub(r"[\s-]+", "_", name.strip().lower())
    return OTHER_NAMES.get(plain, plain)


def _column_errors(columns: Sequence[str]) -> Iterator[RowError]:
    if len(columns) > MOST_COLUMNS:
        raise BadRosterFile(f"The file has {len(columns)} columns. It may have 7.")
    for place, name in enumerate(columns):
        if name not in COLUMNS:
            message = f"There is no column {shown(name)}. Use {', '.join(COLUMNS)}."
            yield RowError(1, name[:40], "unknown_column", message)
        elif name in columns[:place]:
            message = f"The column {name} stands there twice. Keep it once."
            yield RowError(1, name, "duplicate_column", message)
    if "agent" not in columns:
        message = "The column agent, with the dialer id, is missing. Add it."
        yield RowError(1, "agent", "missing_column", message)


def _miscounted(number: int, count: int, expected: int) -> RowError:
    message = (
        f"The row has {count} cells, and there are {expected} columns. Give each column"
        " one cell, and put a cell with a separator in quotation marks."
    )
    return RowError(number, "", "cell_count", message)
