"""CSV files: what others wrote is a formula in none of them."""

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.invoicing.domain.downloads import DOWNLOADS
from billing.invoicing.domain.itemized import ItemizedCall
from billing.management.commands.reconcile import cells_of
from billing.metering.models import RejectedRow
from billing.metering.queries.reconciliation import UsageDifference
from billing.metering.queries.rejected_rows import REJECTED_HEADER, rejected_row_cells
from core.tables import CsvWriter, csv_pieces

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOSTILE = [
    "=1+1", "+1", "-1+1", "@SUM(A1)", "\nx", " =1", "\xa0=1",
    "\u3000=1", "\ufeff=1", "\u200b+1", "\x01=1", "\uff1d1+1", "\uff0b1", "\uff0d1",
    "\uff201", "\ufe66x", "=cmd|' /C calc'!A0", "  \uff1dcmd",
]  # fmt: skip
# Where semicolons, tabs or the lines of a cell in the middle separate cells.
BEHIND_SEPARATORS = {
    "\t=1": "'\t'=1",
    "\r=1": "'\r'=1",
    "\n=1": "'\n'=1",
    "ana;=1+1": "ana;'=1+1",
    "ana; \uff1d1;b;@c": "ana;' \uff1d1;b;'@c",
    "ana\n=1+1\nb": "ana\n'=1+1\nb",
    "ana\t-1": "ana\t'-1",
    ";=1": ";'=1",
}
HARMLESS = [
    "",
    "ana",
    "5",
    "2026-03-10",
    "a=b",
    "'quoted",
    "O'Neil",
    "a-b",
    " a",
    "a; b",
]


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def refused(name: str) -> str:
    row = RejectedRow(row=7, code="bad_row", field=name, message=name, cells=[name])
    return "".join(csv_pieces(REJECTED_HEADER, [rejected_row_cells(row)]))


def differing(name: str) -> str:
    out = io.StringIO(newline="")
    nothing = Decimal(0)
    CsvWriter(out).write(
        ["kind"], cells_of(UsageDifference(name, name, name, AT, nothing, None, nothing, name))
    )  # fmt: skip
    return out.getvalue()


def calls(name: str) -> str:
    cells: dict[str, Any] = dict.fromkeys(ItemizedCall._fields, name)
    call = ItemizedCall(**{**cells, "answer": AT})
    return "".join(DOWNLOADS["csv"].pieces([call]))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("download", [refused, differing, calls])
def test_no_cell_begins_a_formula(download, name):
    _, row = rows_of(download(name))

    assert f"'{name}" in row
    assert name not in row


@pytest.mark.parametrize(("name", "safe"), BEHIND_SEPARATORS.items())
@pytest.mark.parametrize("download", [refused, differing, calls])
def test_no_part_of_a_cell_begins_a_formula(download, name, safe):
    _, row = rows_of(download(name))

    assert safe in row
    assert name not in row


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("download", [refused, differing, calls])
def test_other_texts_stay_as_they_are(download, name):
    _, row = rows_of(download(name))

    assert name in row
    assert f"'{name}" not in row


def test_numbers_stay_numbers():
    cells = [Decimal("-1.50"), -3, None, AT, "-3"]

    _, row = rows_of("".join(csv_pieces(["n"], [cells])))

    assert row == ["-1.5", "-3", "", "2026-03-10T12:00:00+00:00", "'-3"]


def test_every_file_is_written_by_one_writer():
    """The demo's calls are a file to be imported, as a switch writes it."""
    writers = {
        str(path.relative_to(ROOT))
        for folder in ("billing", "seats", "core", "config")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"csv\.(writer|DictWriter)\(", path.read_text())
    }

    assert writers == {"core/tables.py", "billing/management/demo/calls.py"}
