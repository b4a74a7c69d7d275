"""Import a file of usage."""

from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.agencies import find_agency
from billing.management.progress import Progress
from billing.metering.domain.formats.catalogue import FORMATS
from billing.metering.domain.formats.rows import buffered
from billing.metering.domain.outcomes import CORRECTED
from billing.metering.models import UsageImport
from billing.metering.queries.rejected_rows import REJECTED_HEADER, rejected_row_cells
from billing.metering.services.imports import import_rows, start_import
from core.errors import Refusal
from core.money import plain
from core.tables import CsvWriter
from seats.models import Agency

MOST_PRINTED = 20
SECONDS = {
    "accepted": "counted", "duplicate": "counted before", "skipped": "skipped",
    "waiting": "waiting", "rejected": "rejected",
}  # fmt: skip


class Command(BaseCommand):
    help = (
        "Import a file of usage. Importing a file again counts nothing twice. Exits with"
        " 2 if rows were rejected or could not be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file to read")
        parser.add_argument(
            "--format",
            choices=sorted(FORMATS),
            help="the format of the file (default: detect it)",
        )
        parser.add_argument(
            "--agency",
            required=True,
            metavar="CODE",
            help="the agency of the file; rows may name it and its downline",
        )
        parser.add_argument(
            "--timezone",
            metavar="ZONE",
            help="the time zone of times without an offset (default: the agency's)",
        )
        parser.add_argument(
            "--rejects", type=Path, help="write every rejected row to this CSV file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        agency = find_agency(options["agency"])
        try:
            record = self.import_file(agency, options)
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.message}") from refusal
        except OSError as error:
            raise CommandError(f"file_unreadable: {error}") from error
        self.show(record)
        if record.rejected or record.unread:
            raise SystemExit(2)

    def show(self, record: UsageImport) -> None:
        """Print what came of every row, in rows and in answered seconds."""
        others = {
            "skipped": record.skipped,
            "waiting for another leg": record.waiting,
            "not read": record.unread,
        }
        self.stdout.write(
            f"{record.file_name}: {record.accepted} accepted,"
            f" {record.duplicate} duplicate, {record.rejected} rejected"
            + "".join(f", {count} {name}" for name, count in others.items() if count)
        )
        for reason, count in record.reasons.items():
            self.stdout.write(f"  skipped: {count} x {reason}")
        seconds = {kind: Decimal(text) for kind, text in record.seconds.items()}
        corrected = seconds.pop(CORRECTED, Decimal(0))
        if seconds:
            parts = (f"{SECONDS[kind]} {plain(seconds[kind])}" for kind in SECONDS
                     if kind in seconds)  # fmt: skip
            self.stdout.write(
                f"  {plain(sum(seconds.values(), Decimal(0)))} answered seconds in the"
                f" file: {', '.join(parts)}"
            )
        if corrected:
            self.stdout.write(
                f"  {plain(corrected)} seconds by deciding earlier legs anew"
            )

    def import_file(self, agency: Agency, options: dict[str, Any]) -> UsageImport:
        path, now, printed = options["file"], timezone.now(), 0
        with ExitStack() as stack:
            file = buffered(stack.enter_context(open(path, "rb", buffering=0)))
            rejects = None
            if options["rejects"]:
                target = stack.enter_context(open(options["rejects"], "w", newline=""))
                rejects = CsvWriter(target)
                rejects.write(REJECTED_HEADER)
            record = start_import(
                file,
                agency=agency,
                feed=options["format"] or "",
                zone=options["timezone"] or "",
                file_name=path.name,
                actor="import_usage",
                now=now,
            )
            progress = stack.enter_context(Progress(self.stdout, "rows"))
            for rejected in import_rows(record, file, now=now):
                progress.show(record.rows)
                for row in rejected:
                    if rejects:
                        rejects.write(rejected_row_cells(row))
                    printed += 1
                    if printed <= MOST_PRINTED:
                        self.stderr.write(f"row {row.row}: {row.code}: {row.message}")
        return record
