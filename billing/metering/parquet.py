"""A month of usage events as one Parquet file. Pure.

The rows are sorted by agency, meter and time, so that whoever asks for one agency reads
the row groups that its statistics allow, one at a time, in constant memory.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from billing.metering.events import EventRow
from billing.tables import arrow_table
from seats.errors import Refusal

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
    code = "archive_missing"


class ArchiveDiffers(Refusal):
    code = "archive_differs"


@dataclass(frozen=True, slots=True)
class EventSelection:
    """Which events to read; what is None does not matter, a cut-off is the last one."""

    agency_id: int | None = None
    meter_id: int | None = None
    cutoff: int | None = None

    def given(self) -> dict[str, int]:
        """What matters, by the name of its column."""
        return {name: one for name, one in asdict(self).items() if one is not None}


ALL_EVENTS = EventSelection()


def write_events(file: BinaryIO, batches: Iterable[Sequence[Sequence[Any]]]) -> int:
    """Write rows in the order of the schema, a row group a batch; how many.

    Properties come as JSON text. On return the file is on the disk.
    """
    rows = 0
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(arrow_table(SCHEMA, batch))
            rows += len(batch)
    file.flush()
    os.fsync(file.fileno())
    return rows


def read_events(path: Path, wanted: EventSelection = ALL_EVENTS) -> Iterator[EventRow]:
    """The rows of a file that are wanted, sorted by agency, meter, time and id.

    Raises ArchiveMissing, ArchiveDiffers.
    """
    given = wanted.given()
    with _opened(path) as file:
        for group in range(file.metadata.num_row_groups):
            if not _can_hold(file.metadata.row_group(group), given):
                continue
            table = file.read_row_group(group)
            for name, value in given.items():
                column = pc.field(name)
                within = column <= value if name == "cutoff" else column == value
                table = table.filter(within)
            yield from map(event_row, zip(*map(_values, table.columns), strict=True))


def event_row(row: Sequence[Any]) -> EventRow:
    """A row in the order of the schema, whose properties are JSON text."""
    cells = list(row)
    cells[PROPERTIES] = json.loads(cells[PROPERTIES])
    return EventRow(*cells)


def _values(column: Any) -> list[Any]:
    return list(column.to_pylist())


def _can_hold(group: Any, given: Mapping[str, int]) -> bool:
    """Whether a row group may have such rows, by the statistics it comes with."""
    for name, value in given.items():
        known = group.column(SCHEMA.get_field_index(name)).statistics
        if known is None or not known.has_min_max:
            continue
        if known.min > value or (name != "cutoff" and known.max < value):
            return False
    return True


def sums_of(path: Path) -> Sums:
    """Events, raw and billable of a file by (agency, meter, cut-off).

    A row that takes back an event counts as one less. Raises as read_events does.
    """
    sums: Sums = {}
    keys = ["agency_id", "meter_id", "cutoff"]
    columns = [*keys, "raw", "billable", "reverses"]
    counted = [("raw", "count"), ("reverses", "count"), ("raw", "sum"),
               ("billable", "sum")]  # fmt: skip
    with _opened(path) as file:
        for group in range(file.metadata.num_row_groups):
            table = file.read_row_group(group, columns=columns)
            summed = table.group_by(keys).aggregate(counted).to_pylist()
            for one in summed:
                key = (one["agency_id"], one["meter_id"], one["cutoff"])
                events, raw, billable = sums.get(key, (0, Decimal(0), Decimal(0)))
                sums[key] = (
                    events + one["raw_count"] - 2 * one["reverses_count"],
                    raw + one["raw_sum"],
                    billable + one["billable_sum"],
                )
    return sums


def rows_in(path: Path) -> int:
    """How many rows a file says it has. Raises as read_events does."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises ArchiveMissing."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArchiveMissing(f"{path.name} cannot be read: {error.strerror}") from error


def sums_hash(sums: Sums) -> str:
    """The SHA-256, in hex, of sums as lines in the order of their keys."""
    lines = (
        f"{agency} {meter} {cutoff} {events} {raw:.6f} {billable:.6f}\n"
        for (agency, meter, cutoff), (events, raw, billable) in sorted(sums.items())
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file to be read; what goes wrong with it becomes a refusal."""
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise ArchiveDiffers(f"{path.name} has other columns.")
            yield file
    except FileNotFoundError as error:
        raise ArchiveMissing(f"{path.name} is not in the archive.") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ArchiveDiffers(f"{path.name} cannot be read: {error}") from error
