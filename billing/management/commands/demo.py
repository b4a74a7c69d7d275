"""Run the demo: two months of an example downline, billed by a real worker."""

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
from billing.management.demo.cast import DEMO_MEMBERS, STAFF_EMAIL
from billing.management.demo.database import start_clean
from billing.management.demo.money import budget, collect
from billing.management.demo.people import make_people
from billing.management.demo.play import steps
from billing.management.demo.report import documents_table
from billing.management.demo.worker import running_worker
from core.periods import month_of, previous_month
from core.queue.doorbell import ring
from seats.models import Member

BILLING_SECONDS = 120
TABLE_WIDTH = 100


class Command(BaseCommand):
    help = (
        "Empty the embedded database and fill it with an example: a small downline and"
        " two months of calls, billed by a real worker."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.folder = Path(settings.BASE_DIR, ".local", "demo")
        self.folder.mkdir(parents=True, exist_ok=True)
        settings.WEBHOOKS["ALLOW_LOOPBACK"] = True  # where its payment processor is
        now = timezone.now()
        first = previous_month(previous_month(month_of(now.date())))
        self.step("Create an empty database", start_clean)
        with running_worker(self.folder / "worker.log"):
            for title, work in steps(first, self.folder, self.bill, now, self.stdout):
                self.step(title, work)
        self.step("Collect payments", lambda: collect(now=timezone.now()))
        Path(self.folder, "processor").touch()  # `make run` serves it
        self.step("Set a budget", lambda: budget(now=timezone.now()))
        self.step("Verify all documents", lambda: call_command("verify"))
        Console(width=TABLE_WIDTH).print(documents_table())
        password = secrets.token_urlsafe(9)
        make_people(password=password, now=now)
        self.next_steps(password)

    def step(self, title: str, work: Callable[[], Any]) -> Any:
        """Do a step and print how long it took."""
        started = time.monotonic()
        result = work()
        self.stdout.write(f"{title:<50} {time.monotonic() - started:6.1f} s")
        return result

    def bill(self, month: date) -> None:
        """Start a billing run and wait until the worker has done it."""
        run = start_run(month=month, actor="demo", now=timezone.now())
        ring(close_due_items)
        deadline = time.monotonic() + BILLING_SECONDS
        while True:
            counts = progress_of(run.pk)
            if not counts["pending"] + counts["working"]:
                break
            if time.monotonic() > deadline:
                raise CommandError(
                    f"The worker did not bill {month:%Y-%m} within {BILLING_SECONDS}"
                    f" seconds. See the logs in {self.folder}."
                )
            time.sleep(0.1)
        if counts["parked"]:
            raise CommandError(
                f"{counts['parked']} payers were parked while billing {month:%Y-%m}."
            )

    def next_steps(self, password: str) -> None:
        members = "\n".join(
            f"      {email:<24} {Member.Role(role).label.lower()} of {code}"
            for email, code, role in DEMO_MEMBERS
        )
        self.stdout.write(
            "\nNext:\n"
            "  make run      then open http://127.0.0.1:8000/ (PORT=9000 make run for another"
            " port)\n"
            f"    and log in with the password {password} as\n"
            f"      {STAFF_EMAIL:<24} platform staff\n"
            f"{members}\n"
            "  docs/billing-rules.md   how each amount is computed\n"
            f"  {self.folder}   the call records that were imported\n"
            "  make stop     stops the database and the broker"
        )
