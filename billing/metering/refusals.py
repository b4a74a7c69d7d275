"""Refused rows of a file as a table that people open in a spreadsheet."""

import csv
from collections.abc import Iterator

from billing.metering.models import RefusedRow, UsageImport

REFUSED_HEADER = ["row", "code", "field", "message", "as it stood in the file"]
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def refused_cells(row: RefusedRow) -> list[str]:
    """A refused row as safe cells."""
    cells = [str(row.row), row.code, row.field, row.message, *row.cells]
    return [safe_cell(cell) for cell in cells]


def refused_csv(record: UsageImport) -> Iterator[str]:
    """The refused rows of an import as lines of CSV, in constant memory."""
    writer = csv.writer(_Line())
    yield writer.writerow(REFUSED_HEADER)
    for row in RefusedRow.objects.filter(usage_import=record).iterator():
        yield writer.writerow(refused_cells(row))


class _Line:
    """Gives back what the writer writes."""

    def write(self, line: str) -> str:
        return line
