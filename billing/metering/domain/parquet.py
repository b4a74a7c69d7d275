"""A month of usage events as one Parquet file. Pure.

The rows are sorted by agency, meter and time, so that reading one agency takes only the
row groups whose statistics can match, one at a time, in constant memory.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from billing.metering.domain.events import EventRow
from core.errors import Refusal
from core.tables import arrow_table

ROWS_A_GROUP = 20_000
Sums = dict[tuple[int, int, int], tuple[int, Decimal, Decimal]]
_QUANTITY = pa.decimal128(20, 6)
_INSTANT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=name in {"agent_id", "supersedes", "reverses"})
        for name, kind in {
            "id": pa.int64(),
            "used_on": pa.date32(),
            "agency_id": pa.int64(),
            "agent_id": pa.int64(),
            "meter_id": pa.int64(),
            "breakdown": pa.string(),
            "owner": pa.int64(),
            "source": pa.string(),
            "external_id": pa.string(),
            "occurred_at": _INSTANT,
            "received_at": _INSTANT,
            "raw": _QUANTITY,
            "billable": _QUANTITY,
            "properties": pa.string(),
            "cutoff": pa.int64(),
            "supersedes": pa.string(),
            "reverses": pa.int64(),
        }.items()
    ]
)
PROPERTIES = SCHEMA.get_field_index("properties")


class ArchiveMissing(Refusal):
    """The archive file is missing or cannot be opened.

    Restore the file from a backup, and check its permissions.
    """

    code = "archive_missing"


class ArchiveDiffers(Refusal):
    """The archive file cannot be read, or lacks columns of usage events.

    Restore the file from a backup.
    """

    code = "archive_differs"


@dataclass(frozen=True, slots=True)
class EventSelection:
    """Which events to read. None means any; `cutoff` is the last one to include."""

    agency_id: int | None = None
    meter_id: int | None = None
    cutoff: int | None = None
    agent_id: int | None = None
    used_on: date | None = None

    def conditions(self) -> dict[str, Any]:
        """The values that are not None, by column."""
        return {
            name: value for name, value in asdict(self).items() if value is not None
        }


ALL_EVENTS = EventSelection()


def write_events(file: BinaryIO, batches: Iterable[Sequence[Sequence[Any]]]) -> int:
    """Write batches of rows in the column order of SCHEMA; returns how many rows.

    Each batch is a row group; properties are JSON text. The file is synced to disk.
    """
    rows = 0
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(arrow_table(SCHEMA, batch))
            rows += len(batch)
    file.flush()
    os.fsync(file.fileno())
    return rows


def read_events(
    path: Path, selection: EventSelection = ALL_EVENTS
) -> Iterator[EventRow]:
    """The selected rows of a file, sorted by agency, meter, time and id.

    Raises ArchiveMissing, ArchiveDiffers.
    """
    conditions = selection.conditions()
    with _opened(path) as file:
        for group in range(file.metadata.num_row_groups):
            if not _may_match(file.metadata.row_group(group), conditions):
                continue
            table = file.read_row_group(group)
            for name, value in conditions.items():
                column = pc.field(name)
                within = column <= value if name == "cutoff" else column == value
                table = table.filter(within)
            yield from map(event_row, zip(*map(_values, table.columns), strict=True))


def event_row(row: Sequence[Any]) -> EventRow:
    """The event of a row in the column order of SCHEMA, its properties as JSON text."""
    cells = list(row)
    cells[PROPERTIES] = json.loads(cells[PROPERTIES])
    return EventRow(*cells)


def _values(column: Any) -> list[Any]:
    return list(column.to_pylist())


def _may_match(group: Any, conditions: Mapping[str, Any]) -> bool:
    """Whether a row group may have matching rows, by its statistics."""
    for name, value in conditions.items():
        statistics = group.column(SCHEMA.get_field_index(name)).statistics
        if statistics is None or not statistics.has_min_max:
            continue
        if statistics.min > value or (name != "cutoff" and statistics.max < value):
            return False
    return True


def sums_of(path: Path) -> Sums:
    """The events, raw and billable units of a file by (agency, meter, cut-off).

    A reversal counts as -1 event. Raises ArchiveMissing, ArchiveDiffers.
    """
    sums: Sums = {}
    keys = ["agency_id", "meter_id", "cutoff"]
    columns = [*keys, "raw", "billable", "reverses"]
    aggregates = [("raw", "count"), ("reverses", "count"), ("raw", "sum"),
                  ("billable", "sum")]  # fmt: skip
    with _opened(path) as file:
        for group in range(file.metadata.num_row_groups):
            table = file.read_row_group(group, columns=columns)
            for row in table.group_by(keys).aggregate(aggregates).to_pylist():
                key = (row["agency_id"], row["meter_id"], row["cutoff"])
                events, raw, billable = sums.get(key, (0, Decimal(0), Decimal(0)))
                sums[key] = (
                    events + row["raw_count"] - 2 * row["reverses_count"],
                    raw + row["raw_sum"],
                    billable + row["billable_sum"],
                )
    return sums


def rows_in(path: Path) -> int:
    """The row count in a file's metadata. Raises ArchiveMissing, ArchiveDiffers."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises ArchiveMissing."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArchiveMissing(
            f"The archive file {path.name} cannot be read: {error.strerror}."
        ) from error


def sums_hash(sums: Sums) -> str:
    """The SHA-256, in hex, of sums as lines in the order of their keys."""
    lines = (
        f"{agency} {meter} {cutoff} {events} {raw:.6f} {billable:.6f}\n"
        for (agency, meter, cutoff), (events, raw, billable) in sorted(sums.items())
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file for reading. Raises ArchiveMissing, ArchiveDiffers."""
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise ArchiveDiffers(
                    f"The archive file {path.name} does not have the columns of usage"
                    " events. Restore it from a backup."
                )
            yield file
    except FileNotFoundError as error:
        raise ArchiveMissing(
            f"The archive file {path.name} is missing. Restore it from a backup."
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ArchiveDiffers(
            f"The archive file {path.name} cannot be read: {error}"
        ) from error
