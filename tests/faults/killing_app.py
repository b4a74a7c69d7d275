"""A worker application that dies at a named step of a closing: KILL_AT, KILL_TIMES.

The step signal is the service's own; nothing in the service knows of this.
"""

import os
import signal
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init

from billing.invoicing.signals import step_reached
from config.celery import app

__all__ = ["app"]
KILL_AT = os.environ["KILL_AT"]
MARKS = Path(os.environ["KILL_MARKS"])
KILL_TIMES = int(os.environ.get("KILL_TIMES", "1"))


def die(*, step: str, **_: Any) -> None:
    """End the whole process group, as a power cut would, a limited number of times."""
    if step != KILL_AT or len(list(MARKS.iterdir())) >= KILL_TIMES:
        return
    (MARKS / f"{os.getpid()}-{len(list(MARKS.iterdir()))}").touch()
    os.killpg(os.getpgid(0), signal.SIGKILL)


@worker_process_init.connect(weak=False)
def arm(**_: Any) -> None:
    step_reached.connect(die, weak=False)
