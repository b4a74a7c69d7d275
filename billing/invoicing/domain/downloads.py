"""Files with the calls behind a line, written in constant memory. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from billing.invoicing.domain.itemized import ItemizedCall
from core.tables import csv_pieces, parquet_pieces


class Download(NamedTuple):
    """A file format: its media type, and a function that yields its pieces."""

    media_type: str
    pieces: Callable[[Iterable[ItemizedCall]], Iterator[Any]]


def _csv(calls: Iterable[ItemizedCall]) -> Iterator[str]:
    return csv_pieces(ItemizedCall._fields, calls)


def _parquet(calls: Iterable[ItemizedCall]) -> Iterator[bytes]:
    instant = pa.timestamp("us", tz="UTC")
    quantity = pa.decimal128(26, 6)
    kinds = {
        **dict.fromkeys(("start", "answer", "end"), instant),
        **dict.fromkeys(("raw_seconds", "billed_seconds"), quantity),
        "rate": pa.decimal128(18, 8),
        "amount_before_rounding": pa.decimal128(38, 18),
    }
    schema = pa.schema(
        [(name, kinds.get(name, pa.string())) for name in ItemizedCall._fields]
    )
    return parquet_pieces(schema, calls)


DOWNLOADS: Mapping[str, Download] = {
    "csv": Download("text/csv", _csv),
    "parquet": Download("application/vnd.apache.parquet", _parquet),
}
