"""Read files that were made to exhaust memory, in a process of its own.

    python -m tests.hostile_files FOLDER

reads every file of a folder in every format, and writes as JSON how many megabytes
the process grew, and of each reading how long it took and what came of it.
"""

import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from billing.metering.domain.formats.catalogue import (
    FORMATS,
    chunks_of,
    detect_format,
    rows_of,
)
from billing.metering.domain.formats.rows import Row, buffered
from core.errors import Refusal

ALLOWED = 2**30  # bytes that the process may ask for beyond what it has


def main(folder: Path) -> None:
    _limit_memory()
    before = _most_memory()
    readings = [
        {"file": path.name, "format": feed, **_read(path, feed)}
        for path in sorted(folder.iterdir())
        for feed in ("", *FORMATS)
    ]
    report = {"grown": _most_memory() - before, "readings": readings}
    sys.stdout.write(json.dumps(report))


def _read(path: Path, feed: str) -> dict[str, Any]:
    started = time.monotonic()
    codes: Counter[str] = Counter()
    with buffered(path.open("rb", 0)) as file:
        try:
            detected = detect_format(file, feed)
            rows = rows_of(file, detected, agency="B1", zone="UTC")
            for chunk in chunks_of(rows, most=5_000):
                codes.update(_outcome(row) for row in chunk)
        except Refusal as refusal:
            codes[refusal.code] += 1
    return {"codes": codes, "seconds": time.monotonic() - started}


def _outcome(row: Row) -> str:
    if row.rejection:
        return row.rejection.code
    return "skipped" if row.skip_reason else "event"


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _limit_memory() -> None:
    """Limit the memory of this process, so that a fault does not take the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ALLOWED
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
