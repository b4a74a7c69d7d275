"""Files as public documentation of switches describes them, to the second and agent."""

import json
from pathlib import Path

import pytest
from django.db.models import Sum

from billing.metering.models import ConversationLeg, UsageDay, UsageImport
from tests.build import make_agency, make_agents, make_prices
from tests.scenarios.feed_files import Folder

FILES = Path(__file__).resolve().parents[1] / "fixtures" / "switches"
CASES = json.loads((FILES / "cases.json").read_text())
AGENTS = "201 202 203 1001 1002 ana bo gencredana 6001 6002 6003".split()


@pytest.fixture
def chicago(db):
    make_prices()
    make_agents(make_agency(zone="America/Chicago"), *AGENTS)


def seconds():
    rows = UsageDay.objects.values_list("meter__code", "agent__external_id")
    return {
        f"{meter}/{agent or '-'}": int(raw)
        for meter, agent, raw in rows.annotate(Sum("raw"))
        if raw
    }


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
@pytest.mark.parametrize("is_detected", [False, True])
def test_a_file_counts_each_talk_once(chicago, tmp_path, case, is_detected):
    options = {} if is_detected else {"format": case["format"]}
    content = (FILES / case["file"]).read_bytes()

    for _ in range(2):
        assert Folder(tmp_path).take(content, **options).startswith("0 ")
        assert seconds() == case["expect"]

    first, again = UsageImport.objects.order_by("pk")
    assert first.rows == first.accepted + first.skipped == case["rows"]
    assert (again.accepted, again.duplicate) == (0, first.accepted)
    assert first.format == case["format"]
    assert not ConversationLeg.objects.filter(state="waiting").exists()
