"""The rejected rows of an import as a CSV file for spreadsheets."""

from collections.abc import Iterator

from billing.metering.models import RejectedRow, UsageImport
from core.tables import csv_pieces

REJECTED_HEADER = ["row", "code", "field", "message", "cells of the row"]


def rejected_row_cells(row: RejectedRow) -> list[object]:
    """A rejected row as cells, in the order of REJECTED_HEADER, then its own cells."""
    return [row.row, row.code, row.field, row.message, *row.cells]


def rejected_rows_csv(record: UsageImport) -> Iterator[str]:
    """The rejected rows of an import as pieces of CSV, in constant memory."""
    rows = RejectedRow.objects.filter(usage_import=record).iterator()
    return csv_pieces(REJECTED_HEADER, map(rejected_row_cells, rows))
