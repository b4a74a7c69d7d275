"""Run the benchmarks and keep what they say in docs/performance.md."""

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
    files,
    history,
    http,
    ingest,
    monthly_run,
    reading,
    webhooks,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
PARTS = {
    "Taking events in": ingest,
    "Taking events in beside many others": depth,
    "Taking events in over HTTP, 1,000 a request": http,
    "Importing a file": files,
    "The monthly run: 2,000 agencies, 20 seats, 8 meters": monthly_run,
    "A document after two years of documents": history,
    "Who may dial: 500 agencies, 20 agents": authorize,
    "Checking usage: 500 agencies, 20 agents, 4 meters, 28 dates": reading,
    "Webhooks: 1,000 events to one receiver on this machine": webhooks,
}


def main() -> None:
    databases.make_template()
    sections = []
    for title, part in PARTS.items():
        lines = [f"| {name} | {value} |" for name, value in part.measure().items()]
        section = "\n".join([f"## {title}", "", "| what | measured |", "| --- | --- |",
                             *lines, ""])  # fmt: skip
        sys.stdout.write(section + "\n")
        sections.append(section)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sections.append(f"Most memory of the measuring process: {memory} MB.\n")
    head, _, _ = PAGE.read_text().partition("<!-- measured -->")
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python"
        f" {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    )
    PAGE.write_text(
        f"{head}<!-- measured -->\n\nMachine: {machine}.\n\n" + "\n".join(sections)
    )


main()
