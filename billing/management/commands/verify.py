"""Recompute every document and the ledger, and print what differs."""

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.collection.verification.money import verify_everything
from billing.collection.verification.passes import verify_now
from billing.invoicing.models.documents import Document
from billing.invoicing.verification.findings import Finding
from billing.metering.queries.call_legs import count_waiting_legs
from core.errors import Refusal
from seats.models import Agency

ALREADY_RUNNING_EXIT = 2


class Command(BaseCommand):
    help = (
        "Recompute every document and the ledger. Exits with 0 if everything agrees, 1"
        " if anything differs, 2 if --record is given while a full verification runs."
        " Without --record nothing is stored or held."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object instead of lines"
        )
        parser.add_argument(
            "--record",
            action="store_true",
            help="store the findings as the daily verification does: they put the"
            " documents they concern on hold, and old findings that are gone are resolved",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = (
                verify_now(actor="manage.py verify", clock=timezone.now)
                if options["record"]
                else verify_everything(now=timezone.now())
            )
        except Refusal as refusal:
            raise CommandError(
                refusal.message, returncode=ALREADY_RUNNING_EXIT
            ) from refusal
        waiting = count_waiting_legs()
        if options["json"]:
            payload = {
                "findings": _described(report.findings),
                "pending_facts": report.pending_facts,
                "waiting_legs": waiting,
            }
            self.stdout.write(json.dumps(payload))
        else:
            for finding in report.findings:
                self.stdout.write(str(finding))
            self.stdout.write(
                f"{len(report.findings)} differences,"
                f" {report.pending_facts} facts recorded since their agency was last billed"
            )
            if waiting:
                self.stdout.write(
                    f"{waiting} call legs wait for another leg; they count at the end of"
                    " their month at the latest"
                )
        if report.findings:
            raise SystemExit(1)


def _described(findings: Sequence[Finding]) -> list[dict[str, str | None]]:
    """Findings as JSON objects, with the agency, month and document of each."""
    agencies = Agency.objects.in_bulk({finding.about.agency for finding in findings})
    documents = Document.objects.in_bulk(
        {finding.about.document for finding in findings}
    )
    return [
        {
            "code": finding.code,
            "subject": finding.subject,
            "message": finding.message,
            "agency": _text(agencies.get(finding.about.agency or 0), "code"),
            "month": f"{finding.about.month:%Y-%m}" if finding.about.month else None,
            "document": _text(documents.get(finding.about.document or 0), "label"),
            "holds": finding.about.scope,
        }
        for finding in findings
    ]


def _text(row: object, name: str) -> str | None:
    return getattr(row, name) if row else None
