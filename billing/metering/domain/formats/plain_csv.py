"""The service's own CSV format: a header, then one event per row.

Columns: id, meter, quantity, occurred_at (required), agent, agency, source, supersedes
(the id of the event, of the same source, that the row replaces). Other columns become
properties (dial_mode, queue, disposition). The quantity is in the meter's raw unit; a
time without an offset is local to the agency. The names of these columns may be written
in any case.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.rows import (
    BadRow,
    FileContext,
    Row,
    column_count_message,
    parse_quantity,
    parse_time,
    require_columns,
    row_of,
)

NEEDED = ("id", "meter", "quantity", "occurred_at")
EVENT_COLUMNS = {*NEEDED, "agent", "agency", "source", "supersedes"}


def recognizes(cells: Sequence[str]) -> bool:
    """Whether cells are the header of this format."""
    return set(NEEDED) <= set(_names(cells))


def _names(header: Sequence[str]) -> list[str]:
    """The names of columns; those of other columns stay as they are written."""
    names = [(cell.strip().lower(), cell) for cell in header]
    return [name if name in EVENT_COLUMNS else cell for name, cell in names]


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """The rows after the header. Raises ColumnMissing before the first."""
    rows = csv_cells(file)
    _, header = next(rows, (0, []))
    header = _names(header)
    require_columns(header, NEEDED)
    for number, cells in rows:
        yield row_of(number, cells, partial(_event, header, cells, context))


def _event(
    header: Sequence[str], cells: Sequence[str], context: FileContext
) -> IncomingEvent:
    if len(cells) != len(header):
        raise BadRow("bad_row", "", column_count_message(cells, header))
    row = dict(zip(header, cells, strict=True))
    return IncomingEvent(
        source=row.get("source") or context.source,
        id=row["id"],
        agency=row.get("agency") or context.agency,
        agent=row.get("agent") or None,
        meter=row["meter"],
        quantity=parse_quantity(row["quantity"], "quantity"),
        occurred_at=parse_time(row["occurred_at"], "occurred_at", context),
        supersedes=row.get("supersedes") or None,
        properties={
            name: text
            for name, text in row.items()
            if name not in EVENT_COLUMNS and text
        },
    )
