"""Leases that live as long as the process that works under them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error, connections

RENEWALS = 3  # in the time of one lease, so that a late one ends nothing
log = logging.getLogger(__name__)


@contextmanager
def renewed(
    renew: Callable[[timedelta], object], *, lease: timedelta
) -> Iterator[None]:
    """Renew a lease from a thread while the body runs.

    `renew` is called every third of `lease` with the time since the body began; it
    moves the end of the lease, on a database connection of its own, and must not wait
    for locks that the body holds. Work that is done within a third of a lease costs
    no query. When the process dies or is stopped the renewals end with it, so a lease
    can be short however long the work takes. A renewal that fails is logged: at worst
    somebody else takes the work over, which must be safe anyway.
    """
    done = threading.Event()
    started = time.monotonic()
    pause = lease.total_seconds() / RENEWALS

    def beat() -> None:
        try:
            while not done.wait(pause):
                try:
                    renew(timedelta(seconds=time.monotonic() - started))
                except Error:
                    log.warning("A lease could not be renewed", exc_info=True)
                    connections.close_all()
        finally:
            connections.close_all()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
