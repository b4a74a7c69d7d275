"""Show the whole service at work."""

import random
import secrets
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from billing.invoicing.queries.plans import progress_of
from billing.invoicing.services.runs import start_run
from billing.invoicing.tasks import close_due_items
from billing.management.demo import story
from billing.management.demo.calls import write_month
from billing.management.demo.cast import PARTS, STAFF_EMAIL
from billing.management.demo.database import start_clean
from billing.management.demo.report import documents_table
from billing.management.demo.worker import running_worker
from seats.models import User
from seats.periods import month_of, previous_month

SEED = 50
BILLING_SECONDS = 120
TABLE_WIDTH = 100


class Command(BaseCommand):
    help = "A small downline, two months of calls, billed by a real worker."

    def handle(self, *args: Any, **options: Any) -> None:
        self.folder = Path(settings.BASE_DIR, ".local", "demo")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dice = random.Random(SEED)
        second = previous_month(month_of(timezone.now().date()))
        first = previous_month(second)
        self.step("A clean database", start_clean)
        told = self.step("Agencies, agents and seats", lambda: story.begin(first, SEED))
        self.step(f"Churn in {first:%B}", lambda: story.first_month(told))
        self.step(f"Calls of {first:%B}", lambda: self.import_month(first))
        log = self.folder / "worker.log"
        with running_worker(log):
            self.step(f"Billing {first:%B} by a worker", lambda: self.bill(first))
            self.step(
                f"Late calls of {first:%B}, and a backdated removal",
                lambda: self.be_late(told, first),
            )
            self.step(f"Churn in {second:%B}", lambda: story.second_month(told))
            self.step(f"Calls of {second:%B}", lambda: self.import_month(second))
            self.step(f"Billing {second:%B} by a worker", lambda: self.bill(second))
        self.step("Checking the books", lambda: call_command("verify"))
        Console(width=TABLE_WIDTH).print(documents_table())
        self.next_steps(self.make_login())

    def step(self, title: str, work: Callable[[], Any]) -> Any:
        """Do one thing and say how long it took."""
        started = time.monotonic()
        result = work()
        self.stdout.write(f"{title:<50} {time.monotonic() - started:6.1f} s")
        return result

    def import_month(self, month: date) -> None:
        for part in PARTS:
            path, calls = write_month(self.folder, part, month, self.dice)
            if calls:
                self.import_file(path, part.code)

    def be_late(self, told: story.Story, month: date) -> None:
        for part in PARTS[1:3]:
            path, _ = write_month(self.folder, part, month, self.dice, late=True)
            self.import_file(path, part.code)
        story.backdate_removal(told, timezone.now())

    def import_file(self, path: Path, code: str) -> None:
        call_command(
            "import_usage",
            str(path),
            format="asterisk",
            agency=code,
            stdout=self.stdout,
        )

    def bill(self, month: date) -> None:
        """Start the run, ring, and wait for the worker to do it."""
        run = start_run(month=month, actor="demo", now=timezone.now())
        close_due_items.delay()
        deadline = time.monotonic() + BILLING_SECONDS
        while True:
            counts = progress_of(run.pk)
            if not counts["pending"] + counts["working"]:
                break
            if time.monotonic() > deadline:
                raise CommandError(f"The worker is not done; see {self.folder}.")
            time.sleep(0.1)
        if counts["parked"]:
            raise CommandError(f"{counts['parked']} payers were parked.")

    def make_login(self) -> str:
        password = secrets.token_urlsafe(9)
        User.objects.create_superuser(STAFF_EMAIL, password, name="Demo Staff")
        return password

    def next_steps(self, password: str) -> None:
        self.stdout.write(
            "\nNext:\n"
            "  make run      then open http://127.0.0.1:8000/admin/\n"
            f"                and log in as {STAFF_EMAIL}, password {password}\n"
            "  docs/billing-rules.md   how each amount comes about\n"
            f"  {self.folder}   the call records that were imported\n"
            "  make stop     ends the database and the broker"
        )
