"""Hold a carrier's file against our events of a month."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.management.agencies import find_agency
from billing.management.months import parse_month
from billing.metering.formats.catalogue import FORMATS
from billing.metering.formats.rows import buffered
from billing.metering.reconciliation import (
    UsageComparison,
    UsageDifference,
    compare_file,
)
from billing.money import plain
from billing.tables import CsvWriter
from seats.errors import Refusal

REFUSED = 2
HEADER = [
    "kind", "id", "agent", "time", "our seconds", "their seconds", "difference", "why",
]  # fmt: skip
LINE = "{:<15}{:<14}{:>10}{:>16}{:>16}{:>14}"


class Command(BaseCommand):
    help = "Compare a carrier's file with our events; exit 1 if anything differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file to read")
        parser.add_argument(
            "--format", choices=sorted(FORMATS), help="told by the file if left out"
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
        parser.add_argument("--timezone", metavar="ZONE", help="of its local times")
        parser.add_argument("--source", default="", help="only our events from there")
        parser.add_argument(
            "--match",
            choices=["id", "time"],
            default="id",
            help="time: what no id pairs is paired by answer, agent and quantity",
        )
        parser.add_argument(
            "--differences", type=Path, help="a CSV of every difference"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = self.compare(options)
        except Refusal as refusal:
            message = f"{refusal.code}: {refusal.message}"
            raise CommandError(message, returncode=REFUSED) from refusal
        except OSError as error:
            message = f"file_unreadable: {error}"
            raise CommandError(message, returncode=REFUSED) from error
        self.show(found)
        if not found.is_equal:
            raise SystemExit(1)

    def compare(self, options: dict[str, Any]) -> UsageComparison:
        agency = find_agency(options["agency"], returncode=REFUSED)
        with ExitStack() as stack:
            file = buffered(stack.enter_context(options["file"].open("rb", 0)))
            rows = None
            if options["differences"]:
                target = options["differences"].open("w", newline="")
                rows = CsvWriter(stack.enter_context(target))
                rows.write(HEADER)

            def tell(difference: UsageDifference) -> None:
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
                tell=tell,
            )

    def show(self, found: UsageComparison) -> None:
        head = ("kind", "meter", "records", "ours", "theirs", "difference")
        self.stdout.write(LINE.format(*head))
        for one in found.sums:
            numbers = (one.ours, one.theirs, one.ours - one.theirs)
            self.stdout.write(
                LINE.format(one.kind, one.meter, one.records, *map(plain, numbers))
            )
        for count, what in (
            (found.left_out, "rows are no usage of their own"),
            (found.elsewhere, "rows are of other agencies"),
        ):
            if count:
                self.stdout.write(f"{count} {what}")
        if not found.ids_in_common and not found.is_equal:
            self.stdout.write("No id is on both sides; try --match time.")


def cells_of(difference: UsageDifference) -> list[object]:
    """A difference as a row of the CSV."""
    at = f"{difference.at:%Y-%m-%dT%H:%M:%S}Z" if difference.at else ""
    return [
        difference.kind,
        difference.id,
        difference.agent,
        at,
        difference.ours,
        difference.theirs,
        difference.of_month,
        difference.why,
    ]
