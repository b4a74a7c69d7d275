"""Tables to download: CSV for spreadsheets, Parquet for programs. Pure.

Both are made in constant memory, piece by piece as the rows come.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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
    # Heavy, and of all processes only one that writes such a file needs it.
    import pyarrow
    from pyarrow import parquet

    sink = _Sink()
    rows = iter(rows)
    with parquet.ParquetWriter(sink, schema) as writer:
        while group := list(itertools.islice(rows, ROWS_A_GROUP)):
            columns = zip(zip(*group, strict=True), schema, strict=True)
            arrays = [pyarrow.array(column, field.type) for column, field in columns]
            del group, columns  # before the next rows come
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            yield sink.taken()
    yield sink.taken()


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
