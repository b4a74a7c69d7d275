"""Check the books."""

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.invoicing.models import Document
from billing.invoicing.verification.findings import Finding
from billing.payments.checking import verify_now
from billing.payments.verification import verify_everything
from seats.errors import Refusal
from seats.models import Agency

RUNNING = 2


class Command(BaseCommand):
    help = (
        "Recompute every document and the ledger. Exits 0 if everything agrees, 1 if"
        " anything differs, 2 if --record is given while a full verification runs."
        " Without --record nothing is stored, and nothing is held."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object instead of lines"
        )
        parser.add_argument(
            "--record",
            action="store_true",
            help="store findings as the daily verification does: they stop the"
            " collection of what they concern, and those that are gone are resolved",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = (
                verify_now(actor="manage.py verify", clock=timezone.now)
                if options["record"]
                else verify_everything(now=timezone.now())
            )
        except Refusal as refusal:
            raise CommandError(refusal.message, returncode=RUNNING) from refusal
        if options["json"]:
            told = {
                "findings": _described(report.findings),
                "pending_facts": report.pending_facts,
            }
            self.stdout.write(json.dumps(told))
        else:
            for finding in report.findings:
                self.stdout.write(str(finding))
            self.stdout.write(
                f"{len(report.findings)} differences,"
                f" {report.pending_facts} facts waiting for their next document"
            )
        if report.findings:
            raise SystemExit(1)


def _described(findings: Sequence[Finding]) -> list[dict[str, str | None]]:
    """Findings with the agency, month and document that each one names."""
    agencies = Agency.objects.in_bulk({one.about.agency for one in findings})
    documents = Document.objects.in_bulk({one.about.document for one in findings})
    return [
        {
            "code": one.code,
            "subject": one.subject,
            "message": one.message,
            "agency": _text(agencies.get(one.about.agency or 0), "code"),
            "month": f"{one.about.month:%Y-%m}" if one.about.month else None,
            "document": _text(documents.get(one.about.document or 0), "label"),
            "holds": one.about.scope,
        }
        for one in findings
    ]


def _text(row: object, name: str) -> str | None:
    return getattr(row, name) if row else None
