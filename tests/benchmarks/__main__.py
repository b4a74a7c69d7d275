"""Run the benchmarks and write their results to docs/performance.md.

python -m tests.benchmarks [authorize ...]; all of them where none is named.
"""

import os
import platform
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests import databases
from tests.benchmarks import (
    authorize,
    depth,
    feeds,
    files,
    history,
    http,
    ingest,
    monthly_run,
    pages,
    reading,
    webhooks,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
PARTS = {
    "Taking events in": ingest,
    "Taking events in beside many others": depth,
    "Taking events in over HTTP, 1,000 a request": http,
    "Importing a file": files,
    "What files of each feed come to": feeds,
    "The monthly run: 2,000 agencies, 20 seats, 8 meters": monthly_run,
    "A document after two years of documents": history,
    "Who may dial: 500 agencies, 20 agents": authorize,
    "Checking usage: 500 agencies, 20 agents, 4 meters, 28 dates": reading,
    "Pages: 10,000 agencies, 200,000 seats, 1,000,000 lines, 5,000,000 usage days": pages,
    "Webhooks: 1,000 events to one receiver on this machine": webhooks,
}


NAMES = {part.__name__.rpartition(".")[2]: title for title, part in PARTS.items()}
LINE = "<!-- measured -->"


def main() -> None:
    """Run all benchmarks, or the named ones and keep the rest of the page."""
    if unknown := set(sys.argv[1:]) - NAMES.keys():
        sys.exit(f"There are {', '.join(NAMES)}; not {', '.join(sorted(unknown))}.")
    databases.make_template()
    for title in [NAMES[name] for name in sys.argv[1:]]:
        _replace(title, _section(title, f"{_machine()}\n\n"))
    if not sys.argv[1:]:
        _write_all([_section(title) for title in PARTS])


def _section(title: str, first: str = "") -> str:
    lines = [f"| {name} | {value} |" for name, value in PARTS[title].measure().items()]
    table = "\n".join(["| what | measured |", "| --- | --- |", *lines])
    section = f"## {title}\n\n{first}{table}\n"
    sys.stdout.write(section + "\n")
    return section


def _replace(title: str, section: str) -> None:
    """Replace one section of the page."""
    before, _, after = PAGE.read_text().partition(f"## {title}\n")
    _, following, rest = after.partition("\n## ")
    PAGE.write_text(before + section + following + rest)


def _write_all(sections: list[str]) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sections.append(f"Most memory of the measuring process: {memory} MB.\n")
    head, _, _ = PAGE.read_text().partition(LINE)
    PAGE.write_text(f"{head}{LINE}\n\n{_machine()}\n\n" + "\n".join(sections))


def _machine() -> str:
    return (
        f"Machine: {os.cpu_count()} cores, {platform.machine()}, Python"
        f" {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}."
    )


main()
