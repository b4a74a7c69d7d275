"""How long a thread waits for the database to respond to one statement.

A stopped server refuses connections at once. A server that hangs, or a network that
drops every packet, never responds: without a limit, each request would occupy its thread
until the process is restarted.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    seconds: float | None = None


_thread = _Thread()


def patience() -> float | None:
    """The seconds that this thread waits for one statement; None: no limit."""
    return _thread.seconds


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Limit each statement of this thread, unless a shorter limit already applies."""
    before = _thread.seconds
    _thread.seconds = seconds if before is None else min(before, seconds)
    try:
        yield
    finally:
        _thread.seconds = before
