"""Importing files of two sizes by the command: rows a second, and memory."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import databases
from tests.benchmarks.worlds import make_agencies
from tests.build import MARCH

SMALL, LARGE, SEATS = 20_000, 200_000, 20
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = (
    '"agent{agent}","101","15550001","outbound","""A"" <101>","PJSIP/a-00000001",'
    '"PJSIP/t-00000002","Dial","PJSIP/15550001@t","{start}","{answer}","{end}",'
    '{duration},{talked},"ANSWERED","DOCUMENTATION","{start}.{n}",""\n'
)


def measure() -> dict[str, object]:
    """Of an Asterisk file, one agency's calls of a month."""
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=1, seats=SEATS, on=MARCH)
    with TemporaryDirectory() as folder:
        small = _import(name, Path(folder), SMALL, first=0)
        large = _import(name, Path(folder), LARGE, first=SMALL)
    databases.use("postgres")
    databases.drop(name)
    return {
        "rows": LARGE,
        "import_usage, rows/s": round(LARGE / large[0]),
        f"most memory, {SMALL} rows, MB": small[1],
        f"most memory, {LARGE} rows, MB": large[1],
        "memory, large / small": round(large[1] / small[1], 2),
    }


def _import(name: str, folder: Path, rows: int, *, first: int) -> tuple[float, int]:
    """Seconds and megabytes, the start of the process included."""
    path = folder / f"{rows}.csv"
    with path.open("w") as file:
        file.writelines(_row(n) for n in range(first, first + rows))
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_usage", str(path), "--agency=B1"],
        env={**os.environ, **databases.urls(name)},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return time.perf_counter() - started, usage.ru_maxrss // 1024


def _row(n: int) -> str:
    start = START + timedelta(days=n % 28, seconds=n // 28 % 36_000)
    talked = n * 37 % 300 + 1
    answer = start + timedelta(seconds=9)
    return ROW.format(
        agent=n % SEATS + 1, n=n, start=f"{start:%Y-%m-%d %H:%M:%S}",
        answer=f"{answer:%Y-%m-%d %H:%M:%S}",
        end=f"{answer + timedelta(seconds=talked):%Y-%m-%d %H:%M:%S}",
        duration=talked + 9, talked=talked,
    )  # fmt: skip
