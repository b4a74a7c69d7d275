"""Bill a month."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Sum
from django.utils import timezone

from billing.invoicing.models.documents import Document
from billing.invoicing.queries.plans import progress_of
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.previews import preview_documents
from billing.invoicing.services.runs import start_run
from billing.management.agencies import find_agency
from billing.management.months import parse_month
from billing.management.progress import Progress
from core.errors import Refusal
from seats.models import Agency

WAITING = ("pending", "working")
PARKED_EXIT = 3


class Command(BaseCommand):
    help = (
        "Bill a month for every payer, or for one. Safe to repeat for any month."
        " Exits with 3 if payers were parked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--month",
            required=True,
            type=parse_month,
            metavar="YYYY-MM",
            help="the month to bill, such as 2026-10",
        )
        parser.add_argument(
            "--agency", metavar="CODE", help="bill only this payer (default: all)"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="print what each document would come to, and change nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = options["agency"]
            payer = find_agency(code) if code else None
            if options["dry_run"]:
                self.show_preview(options["month"], payer)
            else:
                self.bill(options["month"], payer)
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.message}") from refusal

    def show_preview(self, month: Any, payer: Agency | None) -> None:
        for agency in [payer] if payer else Agency.objects.all():
            now = timezone.now()
            for document in preview_documents(payer=agency, month=month, now=now):
                total = sum(line.amount for line in document.lines)
                self.stdout.write(
                    f"{agency.code} {document.month:%Y-%m} {total} {document.currency}"
                )

    def bill(self, month: Any, payer: Agency | None) -> None:
        run = start_run(
            month=month, payer=payer, actor="command bill", now=timezone.now()
        )
        with Progress(self.stdout, "payers") as progress:
            while True:
                closed = close_due(now=timezone.now(), run=run)
                counts = progress_of(run.pk)
                waiting = sum(counts[state] for state in WAITING)
                total = sum(counts.values())
                progress.show(total - waiting, total)
                if not waiting:
                    break
                if not closed:
                    time.sleep(0.2)
        documents = run.items.aggregate(sum=Sum("documents"))["sum"] or 0
        held_up = run.items.filter(state="review", documents=0)
        drafts = Document.objects.filter(
            payer__in=held_up.values("payer"), state=Document.State.DRAFT
        )
        self.stdout.write(
            f"{month:%Y-%m}: {counts['done']} payers done,"
            f" {counts['review'] - held_up.count()} in review,"
            f" {counts['parked']} parked; {documents} documents"
        )
        for draft in drafts.select_related("payer").order_by("payer__code"):
            self.stdout.write(
                f"waiting {draft.payer.code}: its draft of {draft.month:%Y-%m} has to be"
                " issued or discarded first"
            )
        parked = run.items.filter(state="parked").select_related("payer")
        for item in parked.order_by("payer__code"):
            self.stdout.write(
                f"parked {item.payer.code}: {item.code} {item.last_error}"
            )
        if counts["parked"]:
            raise SystemExit(PARKED_EXIT)
