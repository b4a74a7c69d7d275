"""Tables for download: CSV for spreadsheets, Parquet for programs. Pure.

Every CSV file of the service is written here, so that no cell is run as a formula. Both
formats are written in constant memory, in pieces as the rows arrive. Arrow is imported
at the top although few requests need it: reading events needs it too, so every process
has loaded it.
"""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from core.money import plain

FORMULA = frozenset("=+-@")
LINE_STARTS = frozenset("\t\r\n")
SEPARATORS = re.compile(r"(?<=[;\t\r\n])")
INVISIBLE = frozenset(["Cc", "Cf", "Zs", "Zl", "Zp"])  # categories of characters
ROWS_A_PIECE = 1_000
ROWS_A_GROUP = 10_000


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet could run it as a formula.

    Spreadsheets ignore leading blanks, and treat full-width signs like ASCII ones. In
    many countries cells are separated by semicolons, so a formula may follow one too.
    """
    if SEPARATORS.search(text):
        text = "".join(
            f"'{part}" if _is_formula(part) else part for part in SEPARATORS.split(text)
        )
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    for character in text:
        if character in LINE_STARTS:
            return True
        if unicodedata.category(character) not in INVISIBLE:
            return unicodedata.normalize("NFKC", character)[0] in FORMULA
    return False


def cell(value: object) -> str:
    """A value as text for a CSV cell; texts are made safe against formulas."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, int) else safe_cell(str(value))


class CsvWriter:
    """Writes rows of values to an open file, every cell safe against formulas."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)

    def write(self, *rows: Iterable[object]) -> None:
        self._writer.writerows(map(cell, row) for row in rows)


def csv_pieces(
    header: Sequence[str], rows: Iterable[Iterable[object]]
) -> Iterator[str]:
    """The header and the rows as CSV text, in pieces of many lines."""
    lines: Iterator[Iterable[object]] = itertools.chain([header], rows)
    while piece := list(itertools.islice(lines, ROWS_A_PIECE)):
        text = io.StringIO()
        CsvWriter(text).write(*piece)
        yield text.getvalue()


def parquet_pieces(schema: Any, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The rows, in the column order of the schema, as pieces of one Parquet file."""
    sink = _Sink()
    rows = iter(rows)
    with pq.ParquetWriter(sink, schema) as writer:
        while group := list(itertools.islice(rows, ROWS_A_GROUP)):
            table = arrow_table(schema, group)
            del group  # free its memory before the next rows are read
            writer.write_table(table)
            yield sink.take()
    yield sink.take()


def arrow_table(schema: Any, rows: Iterable[Sequence[Any]]) -> Any:
    """At least one row, in the column order of the schema, as an Arrow table."""
    columns = zip(zip(*rows, strict=True), schema, strict=True)
    arrays = [pa.array(column, field.type) for column, field in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


class _Sink(io.RawIOBase):
    """A file that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._written += piece
        return len(piece)

    def take(self) -> bytes:
        piece = bytes(self._written)
        self._written.clear()
        return piece
