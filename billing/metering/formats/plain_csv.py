"""Our own CSV: a header, then one event a row.

Columns: id, meter, quantity, occurred_at (all needed), agent, agency, source, and
any further ones, which become properties (dial_mode, queue, disposition). Quantity
is in the meter's raw unit; a time without offset is local to the agency.
"""

import csv
from collections.abc import Iterator
from typing import TextIO

from billing.metering.events import IncomingEvent
from billing.metering.formats.rows import (
    BadRow,
    FileContext,
    Row,
    parse_quantity,
    parse_time,
)
from seats.errors import Refusal

NEEDED = ("id", "meter", "quantity", "occurred_at")
KNOWN = {*NEEDED, "agent", "agency", "source"}


class ColumnMissing(Refusal):
    code = "column_missing"


def read_rows(file: TextIO, context: FileContext) -> Iterator[Row]:
    """The rows after the header. Raises ColumnMissing before the first."""
    reader = csv.DictReader(file)
    header = reader.fieldnames or []
    for name in NEEDED:
        if name not in header:
            raise ColumnMissing(f"The header has no column {name}.", field=name)
    for number, row in enumerate(reader, start=2):
        try:
            yield Row(number, _event(row, context))
        except BadRow as bad:
            yield Row(number, verdict=bad.verdict)


def _event(row: dict[str, str], context: FileContext) -> IncomingEvent:
    if None in row.values() or None in row:
        raise BadRow("bad_row", "", "Not as many columns as the header.")
    return IncomingEvent(
        source=row.get("source") or context.source,
        id=row["id"],
        agency=row.get("agency") or context.agency,
        agent=row.get("agent") or None,
        meter=row["meter"],
        quantity=parse_quantity(row["quantity"], "quantity"),
        occurred_at=parse_time(row["occurred_at"], "occurred_at", context.zone),
        properties={k: v for k, v in row.items() if k not in KNOWN and v},
    )
