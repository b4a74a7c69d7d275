"""The demo step by step: two months, each billed, and the running one."""

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management import call_command

from billing.management.demo import story
from billing.management.demo.calls import write_month
from billing.management.demo.cast import PARTS
from seats.periods import next_month

SEED = 50
Step = tuple[str, Callable[[], object]]


def steps(
    first: date, folder: Path, bill: Callable[[date], None], now: datetime, out: Any
) -> Iterator[Step]:
    """What the demo does, in order: a title and the doing of it.

    `first` is the first of the two months, `bill` bills one, `now` is when the late
    things are told, `out` takes what the imports print. Calls of the running month end
    with yesterday, each agency's own.
    """
    second = next_month(first)
    running = next_month(second)
    dice = random.Random(SEED)
    told = story.Story(first, random.Random(SEED))

    def import_calls(month: date, *, late: bool = False) -> None:
        for part in PARTS[1:3] if late else PARTS:
            before = now.astimezone(ZoneInfo(part.zone)).date()
            path, calls = write_month(
                folder, part, month, dice, late=late, before=before
            )
            if calls:
                call_command(
                    "import_usage", str(path), format="asterisk", agency=part.code,
                    stdout=out,
                )  # fmt: skip

    def be_late() -> None:
        import_calls(first, late=True)
        story.backdate_removal(told, now)

    yield "Agencies, agents and seats", lambda: story.begin(told)
    yield f"Churn in {first:%B}", lambda: story.first_month(told)
    yield f"Calls of {first:%B}", lambda: import_calls(first)
    yield f"Billing {first:%B}", lambda: bill(first)
    yield f"Late calls of {first:%B}, and a backdated removal", be_late
    yield f"Churn in {second:%B}", lambda: story.second_month(told)
    yield f"Calls of {second:%B}", lambda: import_calls(second)
    yield f"Billing {second:%B}", lambda: bill(second)
    yield f"Calls of {running:%B}, up to yesterday", lambda: import_calls(running)
