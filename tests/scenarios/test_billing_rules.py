"""The examples of docs/billing-rules.md, run."""

import json
import re
from pathlib import Path

import pytest

from billing.pricing.domain.quoting import quote
from billing.pricing.domain.scenarios import decode_scenario
from billing.pricing.queries import published_price_list

RULES = Path(__file__).resolve().parents[2] / "docs" / "billing-rules.md"
EXAMPLES = re.findall(
    r"```quote\n(.+?)\n```\n```answer\n(.+?)\n```", RULES.read_text(), re.DOTALL
)


def test_the_page_has_examples():
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize(("scenario", "answer"), EXAMPLES)
def test_an_example_comes_out_as_it_says(scenario, answer):
    bill = quote(decode_scenario(scenario.encode()), published_price_list)

    assert bill["total"] == json.loads(answer)["total"]
