"""The commands that docs/seats.md and others show, run as they stand, on a real server."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from seats.models import SeatVersion
from tests.build import make_agency, make_prices
from tests.workers import running_web

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```sh\n(.+?)```\n(?:```(json|text)\n(.+?)```)?", re.DOTALL)
SERVER = "http://127.0.0.1:8000"
END = "-- end of the block --"


@pytest.fixture
def server(fresh_database, broker, tmp_path) -> Iterator[dict[str, str]]:
    """The demo's agencies of the examples, and how commands reach the service."""
    make_prices()
    sunrise = make_agency(now=timezone.now())
    make_agency("BAYOU", upline=sunrise, now=timezone.now())
    environment = {**fresh_database.environment, "REDIS_URL": broker}
    with running_web(environment, tmp_path / "web.log") as port:
        # Times are those of the agencies, as their people's machines have them.
        zone = {"TZ": "America/New_York", "SERVER": f"http://127.0.0.1:{port}"}
        yield {**os.environ, **environment, **zone}


def run_blocks(page: str, environment: dict[str, str], folder: Path) -> list[Any]:
    """What each block of a page printed and what the page says, in one shell."""
    text = (ROOT / "docs" / page).read_text()
    blocks = BLOCK.findall(text)
    script = f"\necho '{END}'\n".join(code for code, _, _ in blocks)
    script = script.replace(SERVER, environment["SERVER"])
    script = script.replace(
        ".venv/bin/python manage.py", f"cd {ROOT} && .venv/bin/python manage.py"
    )
    script = script.replace(".venv/bin/python -c", f"{ROOT}/.venv/bin/python -c")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment,
        check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(f"{END}\n")
    assert len(printed) == len(blocks)
    return [
        (json.loads(out), json.loads(expected)) if kind == "json" else (out, expected)
        for out, (_, kind, expected) in zip(printed, blocks, strict=True)
    ]


def matches(printed: Any, expected: Any) -> bool:
    """Whether an answer is what the page says; "..." stands for any text."""
    if isinstance(expected, dict) and isinstance(printed, dict):
        return printed.keys() == expected.keys() and all(
            matches(printed[key], expected[key]) for key in expected
        )
    if isinstance(expected, list) and isinstance(printed, list):
        return len(printed) == len(expected) and all(map(matches, printed, expected))
    return bool(expected == printed or (expected == "..." and isinstance(printed, str)))


def test_the_commands_about_seats_print_what_the_page_says(server, tmp_path):
    results = run_blocks("seats.md", server, tmp_path)

    assert len(results) == 8
    for printed, expected in results:
        assert matches(printed, expected), (printed, expected)


def test_the_commands_of_a_quote_print_what_the_page_says(server, tmp_path):
    ((printed, expected),) = run_blocks("billing-rules.md", server, tmp_path)

    assert matches(printed, expected), (printed, expected)


def test_the_page_names_everything_that_is_done_to_seats():
    text = (ROOT / "docs/seats.md").read_text()
    named = {"hand_over": "hand-over", "add": "post seats", "redate": "remove"}
    for action in SeatVersion.Action:
        assert named.get(action.value, action.value) in text, action


def test_a_page_with_another_answer_would_be_seen():
    assert matches([{"id": "x", "n": 1}], [{"id": "...", "n": 1}])
    assert not matches([{"id": "x", "n": 1}], [{"id": "...", "n": 2}])
    assert not matches([{"id": "x", "more": 1}], [{"id": "..."}])
