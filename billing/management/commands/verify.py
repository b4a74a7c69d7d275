"""Check the books."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from billing.payments.verification import verify_everything


class Command(BaseCommand):
    help = "Recompute every document and the ledger; exit 1 if anything differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        report = verify_everything(now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report)))
        else:
            for finding in report.findings:
                self.stdout.write(str(finding))
            self.stdout.write(
                f"{len(report.findings)} differences,"
                f" {report.pending_facts} facts waiting for their next document"
            )
        if report.findings:
            raise SystemExit(1)
