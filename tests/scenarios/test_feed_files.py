"""Files of real switches, through the command: what they come to, and why.

The files and what they come to are in `tests/fixtures/feeds`; `cases.json` says the
zone, the agents, the seconds and minutes per meter, and the reason.
"""

import json
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from billing.metering.models import UsageEvent
from tests.build import make_agency, make_agents, make_prices
from tests.scenarios.feed_files import FILES, NOW, usage

pytestmark = pytest.mark.django_db
CASES = json.loads((FILES / "cases.json").read_text())


def import_file(path: Path, **options: str) -> int:
    """Import a file by the command; returns its exit code."""
    given = {name: value for name, value in options.items() if value}
    try:
        with time_machine.travel(NOW, tick=False):
            call_command(
                "import_usage", str(path), agency="SUNRISE", stdout=StringIO(),
                stderr=StringIO(), **given,
            )  # fmt: skip
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def allowed(expected: Any) -> tuple[Decimal, Decimal]:
    """The least and the most of a figure."""
    low, high = expected if isinstance(expected, list) else (expected, expected)
    return Decimal(str(low)), Decimal(str(high))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_file_comes_to_what_its_calls_were(case: dict[str, Any]) -> None:
    make_prices()
    agency = make_agency(zone=case["zone"])
    if case["agents"]:
        make_agents(agency, *case["agents"])

    for name, feed in case["steps"]:
        import_file(FILES / name, format=feed)

    counted = usage(date.fromisoformat(f"{case['month']}-01"))
    assert counted.keys() == case["expect"].keys()
    for meter, figures in case["expect"].items():
        for figure, expected in zip(counted[meter], figures, strict=True):
            low, high = allowed(expected)
            assert low <= figure <= high, (meter, counted, case["why"])
    if "expect_date" in case:
        event = UsageEvent.objects.get()
        assert event.used_on.isoformat() == case["expect_date"]
        assert event.occurred_at == datetime.fromisoformat(case["expect_instant"])
