"""Tables to download: CSV for spreadsheets, Parquet for programs. Pure.

Both are made in constant memory, piece by piece as the rows come. Arrow is imported
at the top, although few requests write such a file: reading events needs it too, so
every process has it loaded.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FORMULA = ("=", "+", "-", "@", "\t", "\r")
ROWS_A_PIECE = 1_000
ROWS_A_GROUP = 10_000


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_pieces(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The header and the rows as text, many lines at once."""
    lines = itertools.chain([header], rows)
    while piece := list(itertools.islice(lines, ROWS_A_PIECE)):
        text = io.StringIO()
        csv.writer(text).writerows(piece)
        yield text.getvalue()


def parquet_pieces(schema: Any, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The rows, in the order of the schema's columns, as row groups of one file."""
    sink = _Sink()
    rows = iter(rows)
    with pq.ParquetWriter(sink, schema) as writer:
        while group := list(itertools.islice(rows, ROWS_A_GROUP)):
            table = arrow_table(schema, group)
            del group  # before the next rows come
            writer.write_table(table)
            yield sink.taken()
    yield sink.taken()


def arrow_table(schema: Any, rows: Iterable[Sequence[Any]]) -> Any:
    """Rows, in the order of the schema's columns, as one table; at least one row."""
    columns = zip(zip(*rows, strict=True), schema, strict=True)
    arrays = [pa.array(column, field.type) for column, field in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._written += piece
        return len(piece)

    def taken(self) -> bytes:
        piece = bytes(self._written)
        self._written.clear()
        return piece
