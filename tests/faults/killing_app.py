"""A worker application that dies at named steps of an intent: KILL_AT, KILL_TIMES.

KILL_AT are steps with commas, each of which kills KILL_TIMES times. The step signals
are the service's own; nothing in the service knows of this. Who works on the task is
killed, and its message is not rung again: only the schedule can go on.
"""

import os
import signal
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init

from billing.invoicing.signals import step_reached
from billing.metering.signals import archive_step
from config.celery import app

__all__ = ["app"]
KILL_AT = os.environ["KILL_AT"].split(",")
MARKS = Path(os.environ["KILL_MARKS"])
KILL_TIMES = int(os.environ.get("KILL_TIMES", "1"))
app.conf.task_reject_on_worker_lost = False


def die(*, step: str, **_: Any) -> None:
    """End the process at once, a limited number of times."""
    times = len(list(MARKS.glob(f"{step}-*")))
    if step not in KILL_AT or times >= KILL_TIMES:
        return
    (MARKS / f"{step}-{times}").touch()
    os.kill(os.getpid(), signal.SIGKILL)


@worker_process_init.connect(weak=False)
def arm(**_: Any) -> None:
    step_reached.connect(die, weak=False)
    archive_step.connect(die, weak=False)
