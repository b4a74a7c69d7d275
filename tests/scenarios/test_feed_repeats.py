"""Rows without an id that are equal, and talks of which many legs are stored."""

import json

import pytest

from billing.metering.domain.formats.vicidial import STANDARD
from billing.metering.services import conversations
from tests.build import make_agency, make_agents, make_prices
from tests.scenarios.feed_files import NOVEMBER, Folder, usage


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency(zone="America/New_York")
    make_agents(agency, "301")
    return agency


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


class TestRowsWithoutAnId:
    """A standard export of VICIdial has none: equal rows are told apart by their place."""

    CELLS = {
        "call_date": "2026-11-20 10:00:00", "phone_number_dialed": "5125550100",
        "status": "SALE", "user": "301", "campaign_id": "FE1", "length_in_sec": "60",
        "alt_dial": "MAIN",
    }  # fmt: skip

    def row(self, **more: str) -> str:
        cells = {**self.CELLS, **more}
        return "\t".join(cells.get(name, "") for name in STANDARD) + "\n"

    def test_count_each_in_one_file_and_in_the_file_grown_longer(self, sunrise, folder):
        twice, later = self.row() * 2, self.row(call_date="2026-11-20 11:00:00")

        assert folder.take(twice).startswith("0 file: 2 accepted")
        assert folder.take(twice + later + self.row()).startswith(
            "0 file: 2 accepted, 2 duplicate"
        )
        assert usage(NOVEMBER) == {"voice.out": (240, 4)}

    def test_are_the_same_row_in_two_files_and_said_to_be(self, sunrise, folder):
        """An export that overlaps the one before must not be billed twice."""
        assert folder.take(self.row()).startswith("0 file: 1 accepted")
        assert folder.take(self.row()).startswith("0 file: 0 accepted, 1 duplicate")
        assert "60 answered seconds in the file: counted before 60" in folder.take(
            self.row()
        )


def test_a_batch_may_join_more_legs_than_a_conversation_may_have(
    sunrise, folder, monkeypatch
):
    """The second file brings a program's leg to each of many talks that are stored."""
    monkeypatch.setattr(conversations, "MOST_LEGS", 10)

    def leg(n: int, kind: str) -> str:
        return json.dumps({
            "record_type": kind, "telnyx_leg_id": f"{n}-{kind}", "cld": "+12125550100",
            "telnyx_session_id": f"S{n}", "direction": "outbound", "call_sec": 60,
            "started_at": "2026-11-20T15:00:00Z", "answered_at": "2026-11-20T15:00:00Z",
        })  # fmt: skip

    for kind in ("call-control", "sip-trunking"):
        folder.take("\n".join(leg(n, kind) for n in range(40)))

    assert usage(NOVEMBER) == {"voice.out": (40 * 60, 40)}
