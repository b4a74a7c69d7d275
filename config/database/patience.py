"""How long a thread waits for the database to answer one statement.

A server that is stopped refuses connections, which everybody notices at once. One that
hangs, or a network that loses every packet, says nothing at all: without a limit each
request would keep its thread until somebody ends the process.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    seconds: float | None = None


_thread = _Thread()


def patience() -> float | None:
    """Seconds that this thread waits for one statement; None: as long as it takes."""
    return _thread.seconds


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Limit each statement of this thread, unless a shorter limit holds already."""
    before = _thread.seconds
    _thread.seconds = seconds if before is None else min(before, seconds)
    try:
        yield
    finally:
        _thread.seconds = before
