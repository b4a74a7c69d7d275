"""Renew leases for as long as the process that holds them works."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error, connections

RENEWALS = 3  # per lease, so that a late renewal does not end it
log = logging.getLogger(__name__)


@contextmanager
def renewed(
    renew: Callable[[timedelta], object], *, lease: timedelta
) -> Iterator[None]:
    """Renew a lease from a thread while the body of the `with` statement runs.

    `renew` is called every third of `lease` with the time since the body began. It
    extends the lease on a database connection of its own, and must not wait for locks
    that the body holds. Work that ends within a third of a lease costs no query. When
    the process dies or is stopped, renewals end with it, so a lease can be short however
    long the work takes. A failed renewal is logged: at worst another worker takes over
    the work, which must be safe anyway.
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
                    log.warning("A lease could not be renewed.", exc_info=True)
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
