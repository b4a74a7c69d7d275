"""Ends of calls, waiting legs, times and broken bytes in call records."""

import json
from datetime import UTC, date, datetime

import pytest
from django.urls import reverse

from billing.invoicing.verification.services import verify_books
from billing.metering.models import UsageDay, UsageEvent
from billing.metering.services.conversations import decide_waiting_legs
from seats.agencies.services import change_zone
from tests.build import make_agency, make_agents, make_prices
from tests.scenarios.feed_files import (
    FILES,
    NOVEMBER,
    NOW,
    Folder,
    call_json,
    cdr,
    usage,
    verified,
)


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency(zone="America/New_York")
    make_agents(agency, "301", "302", "ana")
    return agency


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


class TestEndsOfCalls:
    @pytest.mark.parametrize(
        ("row", "outcome"),
        [
            (cdr(30, disposition="ANSWER "), "counted 30"),
            (cdr(30, disposition="8"), "counted 30"),
            (cdr(30, answer=""), "counted 30"),
            (cdr(30, disposition="NO ANSWER"), "contradictory_row"),
            (cdr(30, disposition="PERHAPS"), "bad_disposition"),
            (cdr(30, answer="", start=""), "bad_row"),
        ],
    )
    def test_of_asterisk_are_read_or_refused(self, sunrise, folder, row, outcome):
        assert outcome in folder.take(row, format="asterisk")

    @pytest.mark.parametrize("status", ["in-progress", "queued", "Ringing"])
    def test_of_twilio_are_left_out_while_they_go_on(self, sunrise, folder, status):
        going_on = call_json("CA1", status=status, seconds=0)

        assert "skipped: 1 x a call that is still going on" in folder.take(going_on)
        assert folder.take(call_json("CA1", seconds=60)).startswith("0 file: 1 accep")
        assert usage(NOVEMBER) == {"voice.out": (60, 1)}

    def test_of_a_bad_record_do_not_leave_out_the_good_one(self, sunrise, folder):
        def record(leg: str, seconds: str) -> str:
            return json.dumps({
                "record_type": "sip-trunking", "telnyx_leg_id": leg, "id": leg,
                "telnyx_session_id": "S1", "direction": "outbound", "cld": "+12125550100",
                "started_at": "2026-11-20T15:00:00Z", "finished_at": "2026-11-20T15:01:00Z",
                "call_sec": seconds,
            })  # fmt: skip

        answer = folder.take(record("l1", "x") + "\n" + record("l2", "45"))

        assert answer.startswith("2 file: 1 accepted, 0 duplicate, 1 rejected")
        assert usage(NOVEMBER) == {"voice.out": (45, 1)}

    @pytest.mark.parametrize(
        "field", ["telnyx_leg_id", "direction", "cld", "started_at"]
    )
    def test_of_telnyx_need_their_fields(self, sunrise, folder, field):
        record = {
            "record_type": "sip-trunking", "telnyx_leg_id": "l1", "direction": "outbound",
            "cld": "+12125550100", "started_at": "2026-11-20T15:00:00Z", "call_sec": 45,
        }  # fmt: skip
        del record[field]

        assert folder.take(json.dumps(record)).startswith("2 file: 0 accepted")


class TestWaiting:
    CHILD = call_json("CB", parent="CA", direction="outbound-dial")

    def test_is_for_the_parent_which_counts_if_it_is_public(self, sunrise, folder):
        answer = folder.take(self.CHILD)

        assert "0 rejected, 1 waiting for another leg" in answer
        assert "60 answered seconds in the file: waiting 60" in answer
        assert (usage(NOVEMBER), verified()["waiting_legs"]) == ({}, 1)
        folder.take(call_json("CA", seconds=70, direction="inbound"))
        assert usage(NOVEMBER) == {"voice.in": (70, 2)}
        assert verified()["waiting_legs"] == 0

    def test_ends_with_a_parent_on_the_net_who_names_the_agent(self, sunrise, folder):
        folder.take(self.CHILD)

        parent = call_json("CA", caller="client:ana", to="", direction="inbound")
        answer = folder.take(parent)

        assert "60 answered seconds in the file: skipped 60" in answer
        assert "60 seconds by deciding earlier legs anew" in answer
        assert usage(NOVEMBER) == {"voice.out": (60, 1)}
        assert UsageDay.objects.get(raw=60, agent__external_id="ana")

    def test_ends_with_the_month(self, sunrise, folder):
        folder.take(self.CHILD)
        assert decide_waiting_legs(now=datetime(2026, 12, 1, 4, tzinfo=UTC)) == 0

        assert decide_waiting_legs(now=datetime(2026, 12, 1, 6, tzinfo=UTC)) == 1

        assert usage(NOVEMBER) == {"voice.out": (60, 1)}
        assert decide_waiting_legs(now=datetime(2026, 12, 1, 7, tzinfo=UTC)) == 0

    def test_is_shown_to_staff(self, sunrise, folder, staff):
        folder.take(self.CHILD)

        url = reverse("admin:billing_conversationleg_changelist")
        page = staff.get(url, {"state__exact": "waiting"}).content.decode()

        assert "CB" in page
        assert "its first leg was not read yet" in page

    @pytest.mark.parametrize("first", [0, 1])
    def test_is_not_needed_where_a_leg_is_taken_back(self, sunrise, folder, first):
        """The other leg of FreeSWITCH looks like a call; the first one names it."""
        lines = (FILES / "freeswitch-a-first.csv").read_text().splitlines()

        for line in (lines[first], lines[1 - first], *lines):
            folder.take(line)

        assert usage(NOVEMBER) == {"voice.in": (360, 6)}
        assert verify_books().findings == []


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "hour"),
        [
            ("Fri, 20 Nov 2026 03:30:00 PM", 20), ("11/20/2026 3:30:00 PM", 20),
            ("2026-11-20 15:30:00 EST", 20), ("2026-11-20 12:30:00 America/Los_Angeles", 20),
            ("Fri, 20 Nov 2026 20:30:00 GMT", 20), ("2026-11-20T15:30:00-05:00", 20),
        ],
    )  # fmt: skip
    def test_are_read_with_their_zone_and_half_of_the_day(
        self, sunrise, folder, text, hour
    ):
        folder.take(call_json("CA1", start=text))

        moment = UsageEvent.objects.get().occurred_at
        assert moment == datetime(2026, 11, 20, hour, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        ["Fri, 20 Nov 2026 15:30:00 XYZ", "2026-11-20 15:30:00 Mars/Base",
         "2026-11-20 15:30:00 +99:00", "13:30 PM"],
    )  # fmt: skip
    def test_in_unknown_zones_are_refused(self, sunrise, folder, text):
        assert "bad_time" in folder.take(call_json("CA1", start=text))

    @pytest.mark.parametrize("micros", ["000249", "000251", "999999"])
    def test_keep_every_microsecond(self, sunrise, folder, micros):
        folder.take(call_json("CA1", start=f"11/20/2026 15:30:00.{micros}"))

        assert UsageEvent.objects.get().occurred_at.microsecond == int(micros)

    def test_are_read_in_the_zone_in_force_at_them(self, sunrise, folder):
        """The agency moves from New York to Tokyo on December 1."""
        change_zone(
            agency=sunrise, zone="Asia/Tokyo", starts_on=date(2026, 12, 1), now=NOW,
            actor="test",
        )  # fmt: skip

        folder.take(cdr(60, answer="2026-11-30 08:00:00"))

        moment = UsageEvent.objects.get().occurred_at
        assert moment == datetime(2026, 11, 30, 13, tzinfo=UTC)


class TestBrokenBytes:
    @pytest.mark.parametrize("where", [0, 1, 2])
    def test_of_one_record_of_a_list_cost_that_one(self, sunrise, folder, where):
        records = [call_json(f"CA{n}") for n in range(3)]
        records[where] = records[where].replace('"status"', '"sta', 1)

        answer = folder.take(f"[{', '.join(records)}]", format="twilio")

        assert answer.startswith("2 file: 2 accepted")
        assert usage(NOVEMBER) == {"voice.out": (120, 2)}

    @pytest.mark.parametrize("start", ["\ufeff", "\n\n", " \n\ufeff", "\0\0\n"])
    def test_before_the_first_bracket_do_not_matter(self, sunrise, folder, start):
        assert folder.take(start + call_json("CA1")).startswith("0 file: 1 accepted")

    @pytest.mark.parametrize("where", [0, 1, 2])
    def test_that_are_nul_cost_the_same_early_and_late(self, sunrise, folder, where):
        rows = [cdr(61, tail=f',"1795186700.{n}",""') for n in range(3)]
        rows[where] = rows[where].replace("61,", "6\0,", 1)

        answer = folder.take("".join(rows), format="asterisk")

        assert answer.startswith("2 file: 2 accepted, 0 duplicate, 1 rejected")
