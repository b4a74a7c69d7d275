"""Compare a carrier's file with the stored events of a month."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.management.agencies import find_agency
from billing.management.months import parse_month
from billing.metering.domain.formats.catalogue import FORMATS
from billing.metering.domain.formats.rows import buffered
from billing.metering.queries.reconciliation import (
    UsageComparison,
    UsageDifference,
    compare_file,
)
from core.errors import Refusal
from core.money import plain
from core.tables import CsvWriter

REFUSED_EXIT = 2
HEADER = [
    "kind", "id", "agent", "time", "stored seconds", "file seconds", "difference", "why",
]  # fmt: skip
LINE = "{:<15}{:<14}{:>10}{:>16}{:>16}{:>14}"


class Command(BaseCommand):
    help = (
        "Compare a carrier's file with the stored events of a month. Exits with 0 if"
        " they are equal, 1 if they differ, 2 if the file or an option is refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file to read")
        parser.add_argument(
            "--format",
            choices=sorted(FORMATS),
            help="the format of the file (default: detect it)",
        )
        parser.add_argument(
            "--month",
            required=True,
            type=parse_month,
            metavar="YYYY-MM",
            help="the month to compare, such as 2026-10",
        )
        parser.add_argument(
            "--agency", required=True, metavar="CODE", help="whose calls to compare"
        )
        parser.add_argument(
            "--timezone",
            metavar="ZONE",
            help="the time zone of times without an offset (default: the agency's)",
        )
        parser.add_argument(
            "--source", default="", help="compare only stored events of this source"
        )
        parser.add_argument(
            "--match",
            choices=["id", "time"],
            default="id",
            help="how records are paired: by id, or then also by time, quantity and agent",
        )
        parser.add_argument(
            "--differences", type=Path, help="write every difference to this CSV file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            comparison = self.compare(options)
        except Refusal as refusal:
            message = f"{refusal.code}: {refusal.message}"
            raise CommandError(message, returncode=REFUSED_EXIT) from refusal
        except OSError as error:
            message = f"file_unreadable: {error}"
            raise CommandError(message, returncode=REFUSED_EXIT) from error
        self.show(comparison)
        if not comparison.is_equal:
            raise SystemExit(1)

    def compare(self, options: dict[str, Any]) -> UsageComparison:
        agency = find_agency(options["agency"], returncode=REFUSED_EXIT)
        with ExitStack() as stack:
            file = buffered(stack.enter_context(options["file"].open("rb", 0)))
            rows = None
            if options["differences"]:
                target = options["differences"].open("w", newline="")
                rows = CsvWriter(stack.enter_context(target))
                rows.write(HEADER)

            def write_difference(difference: UsageDifference) -> None:
                if rows:
                    rows.write(cells_of(difference))

            return compare_file(
                file,
                agency=agency,
                month=options["month"],
                feed=options["format"] or "",
                zone=options["timezone"] or "",
                source=options["source"],
                by_time=options["match"] == "time",
                on_difference=write_difference,
            )

    def show(self, comparison: UsageComparison) -> None:
        head = ("kind", "meter", "records", "stored", "in file", "difference")
        self.stdout.write(LINE.format(*head))
        for row in comparison.sums:
            numbers = (row.stored, row.in_file, row.stored - row.in_file)
            self.stdout.write(
                LINE.format(row.kind, row.meter, row.records, *map(plain, numbers))
            )
        if comparison.skipped:
            self.stdout.write(
                f"{sum(comparison.skipped.values())} rows were skipped: not usage. An"
                " import leaves out the same rows, so neither side has their"
                f" {plain(comparison.skipped_seconds)} answered seconds."
            )
            for reason, rows in comparison.skipped.items():
                self.stdout.write(f"  skipped: {rows} x {reason}")
        if comparison.waiting:
            self.stdout.write(
                f"{comparison.waiting} stored legs of the month wait for another leg."
            )
        if comparison.other_agencies:
            self.stdout.write(
                f"{comparison.other_agencies} rows were skipped: other agencies."
            )
        if not comparison.ids_in_common and not comparison.is_equal:
            self.stdout.write(
                "No id is on both sides. Use --match time to pair records by time."
            )


def cells_of(difference: UsageDifference) -> list[object]:
    """A difference as cells, in the order of HEADER."""
    at = f"{difference.at:%Y-%m-%dT%H:%M:%S}Z" if difference.at else ""
    return [
        difference.kind,
        difference.id,
        difference.agent,
        at,
        difference.stored,
        difference.in_file,
        difference.of_month,
        difference.why,
    ]
