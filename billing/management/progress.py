"""How long work shows itself: a bar on a terminal, plain lines otherwise."""

import time
from types import TracebackType
from typing import IO, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

LINE_EVERY = 5.0  # seconds


class Progress:
    """Shows how much of something is done, until it is left."""

    def __init__(self, stream: IO[str] | Any, what: str) -> None:
        self._stream = stream
        self._what = what
        self._bar: Bar | None = None
        self._last_line = time.monotonic()
        if stream.isatty():
            self._bar = Bar(
                TextColumn(what), BarColumn(), MofNCompleteColumn(), console=Console()
            )
            self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, done: int, total: int | None = None) -> None:
        """Say how far it is; a plain line at most every few seconds."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            of = f" of {total}" if total is not None else ""
            self._stream.write(f"{done}{of} {self._what}\n")
