"""Lines of a bounded length. Pure."""

from collections.abc import Iterator
from typing import IO, AnyStr


def bounded_lines(file: IO[AnyStr], longest: int) -> Iterator[AnyStr | None]:
    """The lines of a file with their line ends, read in constant memory.

    None stands for a line of more than `longest` bytes (or characters), which is skipped.
    """
    while line := file.readline(longest + 1):
        if len(line) <= longest:
            yield line
            continue
        while line and not _ends(line):
            line = file.readline(longest)
        yield None


def _ends(line: AnyStr) -> bool:
    return line[-1:] in ("\n", "\r") if isinstance(line, str) else line[-1:] == b"\n"
