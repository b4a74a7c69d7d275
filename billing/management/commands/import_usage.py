"""Import a file of usage."""

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.commands.bill import find_agency
from billing.management.progress import Progress
from billing.metering.formats.rows import FileContext
from billing.metering.imports import FORMATS, ImportCounts, import_rows
from seats.agencies.queries import zones_of
from seats.agencies.services import require_zone
from seats.errors import Refusal

SHOWN = 20


class Command(BaseCommand):
    help = "Import call records; importing a file again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", required=True, choices=sorted(FORMATS))
        parser.add_argument("--agency", required=True, metavar="CODE")
        parser.add_argument("--timezone", metavar="ZONE", help="of its local times")
        parser.add_argument(
            "--rejects", type=Path, help="where refused rows are listed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        agency = find_agency(options["agency"])
        assert agency
        zone = options["timezone"] or zones_of([agency.pk])[agency.pk][-1].zone
        try:
            require_zone(zone)
            context = FileContext(
                agency.code, ZoneInfo(zone), f"import:{options['format']}:{agency.code}"
            )
            counts = self.import_file(context, agency.pk, options)
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.message}") from refusal
        except OSError as error:
            raise CommandError(f"file_unreadable: {error}") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"bad_encoding: not UTF-8 ({error}).") from error
        except csv.Error as error:
            raise CommandError(f"bad_csv: {error}") from error
        self.stdout.write(
            f"{options['file'].name}: {counts.accepted} accepted,"
            f" {counts.duplicate} known already, {counts.rejected} refused"
        )
        if counts.rejected:
            raise SystemExit(2)

    def import_file(
        self, context: FileContext, owner: int, options: dict[str, Any]
    ) -> ImportCounts:
        counts = ImportCounts()
        with ExitStack() as stack:
            file = stack.enter_context(
                open(options["file"], encoding="utf-8-sig", newline="")
            )
            rejects = None
            if options["rejects"]:
                target = stack.enter_context(open(options["rejects"], "w", newline=""))
                rejects = csv.writer(target)
                rejects.writerow(["row", "code", "field", "message"])
            progress = stack.enter_context(Progress(self.stdout, "rows"))
            rows = FORMATS[options["format"]](file, context)
            shown = 0
            for counts in import_rows(rows, owner=owner, now=timezone.now()):
                progress.show(counts.rows)
                for number, verdict in counts.refused:
                    if rejects:
                        line = [number, verdict.code, verdict.field, verdict.message]
                        rejects.writerow(line)
                    shown += 1
                    if shown <= SHOWN:
                        self.stderr.write(
                            f"row {number}: {verdict.code}: {verdict.message}"
                        )
        return counts
