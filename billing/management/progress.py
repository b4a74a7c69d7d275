"""Progress output of commands: a bar on a terminal, plain lines otherwise."""

import time
from types import TracebackType
from typing import IO, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

LINE_EVERY = 5.0  # seconds


class Progress:
    """A context manager that shows how many of some `noun` are done."""

    def __init__(self, stream: IO[str] | Any, noun: str) -> None:
        self._stream = stream
        self._noun = noun
        self._bar: Bar | None = None
        self._last_line = time.monotonic()
        if stream.isatty():
            self._bar = Bar(
                TextColumn(noun), BarColumn(), MofNCompleteColumn(), console=Console()
            )
            self._task = self._bar.add_task(noun, total=None)

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
        """Show the progress; a plain line at most every few seconds."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            of = f" of {total}" if total is not None else ""
            self._stream.write(f"{done}{of} {self._noun}\n")
