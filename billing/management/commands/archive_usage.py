"""Move the usage events of old months to files."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.months import parse_month
from billing.management.progress import Progress
from billing.metering.services.archiving import (
    archive_month,
    months_to_archive,
    require_archivable,
)
from billing.metering.services.partitions import partition_name
from core.errors import Refusal


class Command(BaseCommand):
    help = "Move the usage events of old months to files. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--month",
            type=parse_month,
            metavar="YYYY-MM",
            help="archive only this month, such as 2025-01",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="print what would be archived, and change nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        month = options["month"]
        months = [month] if month else months_to_archive(now=now)
        if not months:
            self.stdout.write("No month is old enough to be archived.")
        refusals = 0
        for month in months:
            try:
                self.archive(month, dry_run=options["dry_run"])
            except Refusal as refusal:
                refusals += 1
                self.stderr.write(f"{refusal.code}: {refusal.message}")
        if refusals:
            raise CommandError(f"{refusals} of {len(months)} months were not archived.")

    def archive(self, month: date, *, dry_run: bool) -> None:
        now = timezone.now()
        if dry_run:
            require_archivable(month=month, now=now)
            self.stdout.write(f"{month:%Y-%m} can be archived.")
            return
        with Progress(self.stdout, "events") as progress:
            record = archive_month(
                month=month, actor="archive_usage", now=now, on_rows=progress.show
            )
        self.stdout.write(
            f"{month:%Y-%m}: {record.rows} events are in {record.file_name}"
            f" ({record.file_size} bytes). Once the file is in your backup, the database"
            f" owner can DROP TABLE {partition_name(month)}."
        )
