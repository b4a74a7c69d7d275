"""Shares the threads of a web process among callers: by key, cookies or address."""

from collections import Counter, deque
from threading import Lock
from typing import Any

from waitress.task import ThreadedTaskDispatcher


class Turn:
    """One request at work, counted until it is over."""

    def __init__(self, channel: Any, caller: str, turns: "Turns") -> None:
        self._channel, self._caller, self._turns = channel, caller, turns

    def service(self) -> None:
        try:
            self._channel.service()
        finally:
            self._turns.end(self._caller)

    def cancel(self) -> None:
        self._channel.cancel()


class Turns:
    """A queue of requests by caller; the caller with the fewest at work is next.

    A caller has at most `most` requests at work even if no other waits, so that a thread
    is free for whoever comes next. A dispatcher uses this as its queue, under its lock.
    """

    def __init__(self, most: float, lock: Lock) -> None:
        self.most = most
        self._lock = lock
        self._waiting: dict[str, deque[Any]] = {}  # the caller whose turn it is first
        self._working: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __bool__(self) -> bool:
        """Whether a request may be taken now."""
        return any(self._working[caller] < self.most for caller in self._waiting)

    def append(self, channel: Any) -> None:
        self._waiting.setdefault(caller_of(channel), deque()).append(channel)

    def popleft(self) -> Turn:
        caller = min(self._waiting, key=self._working.__getitem__)
        channels = self._waiting.pop(caller)
        turn = Turn(channels.popleft(), caller, self)
        if channels:
            self._waiting[caller] = channels  # behind all others
        self._working[caller] += 1
        return turn

    def end(self, caller: str) -> None:
        """A request is over; its thread then looks for the next one."""
        with self._lock:
            self._working[caller] -= 1
            if not self._working[caller]:
                del self._working[caller]


class FairDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads of which one caller has at most so many."""

    def __init__(self, threads: int, most: int) -> None:
        super().__init__()
        self.queue = Turns(most, self.lock)
        self.set_thread_count(threads)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:  # noqa: FBT001, FBT002
        self.queue.most = float("inf")  # or what waits could not be taken and canceled
        return bool(super().shutdown(cancel_pending, timeout))


def caller_of(channel: Any) -> str:
    """The caller, before authentication: its API key, else its cookies or address."""
    headers = channel.requests[0].headers
    for name in ("AUTHORIZATION", "COOKIE"):
        if name in headers:
            return f"{name} {headers[name]}"
    address = channel.addr  # of a Unix socket: a text
    return address if isinstance(address, str) else str(address[0])
