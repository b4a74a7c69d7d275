"""Refused rows of a file as a table that people open in a spreadsheet."""

from collections.abc import Iterator

from billing.metering.models import RefusedRow, UsageImport
from billing.tables import csv_pieces

REJECTED_HEADER = ["row", "code", "field", "message", "as it stood in the file"]


def rejected_row_cells(row: RefusedRow) -> list[object]:
    """A refused row as cells."""
    return [row.row, row.code, row.field, row.message, *row.cells]


def rejected_rows_csv(record: UsageImport) -> Iterator[str]:
    """The refused rows of an import as pieces of CSV, in constant memory."""
    rows = RefusedRow.objects.filter(usage_import=record).iterator()
    return csv_pieces(REJECTED_HEADER, map(rejected_row_cells, rows))
