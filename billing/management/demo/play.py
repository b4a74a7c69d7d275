"""The steps of the demo: two months that are billed, and the current month."""

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management import call_command

from billing.management.demo import story
from billing.management.demo.calls import write_month
from billing.management.demo.cast import DEMO_AGENCIES, IDLE_AGENTS
from core.periods import next_month

SEED = 50
Step = tuple[str, Callable[[], object]]


def steps(
    first: date, folder: Path, bill: Callable[[date], None], now: datetime, out: Any
) -> Iterator[Step]:
    """The steps of the demo in order, each with its title.

    `first` is the first of the two months, `bill` bills a month, `now` is the time of
    the late changes, and `out` gets the output of the imports. Calls of the current
    month end yesterday by each agency's local date.
    """
    second = next_month(first)
    current = next_month(second)
    rng = random.Random(SEED)
    demo = story.DemoState(first, random.Random(SEED))

    def import_calls(month: date, *, late: bool = False) -> None:
        for demo_agency in DEMO_AGENCIES[1:3] if late else DEMO_AGENCIES:
            before = now.astimezone(ZoneInfo(demo_agency.zone)).date()
            path, calls = write_month(
                folder,
                demo_agency,
                month,
                rng,
                late=late,
                before=before,
                idle=IDLE_AGENTS if month == current else (),
            )
            if calls:
                call_command(
                    "import_usage", str(path), format="asterisk", agency=demo_agency.code,
                    stdout=out,
                )  # fmt: skip

    def record_late_changes() -> None:
        import_calls(first, late=True)
        story.backdate_removal(demo, now)

    yield "Add agencies, agents and seats", lambda: story.create_downline(demo)
    yield f"Change seats in {first:%B}", lambda: story.change_first_month(demo)
    yield f"Import calls of {first:%B}", lambda: import_calls(first)
    yield f"Bill {first:%B}", lambda: bill(first)
    yield f"Add late calls and a removal to {first:%B}", record_late_changes
    yield f"Change seats in {second:%B}", lambda: story.change_second_month(demo)
    yield f"Import calls of {second:%B}", lambda: import_calls(second)
    yield f"Bill {second:%B}", lambda: bill(second)
    yield f"Import calls of {current:%B} up to yesterday", lambda: import_calls(current)
