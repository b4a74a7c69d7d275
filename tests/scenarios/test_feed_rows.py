"""Columns and rows of call records as switches write them: each counts once."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO, StringIO
from itertools import permutations

import pytest
from django.core.management import call_command

from billing.metering.domain.formats.catalogue import FORMATS
from billing.metering.domain.formats.rows import FileContext, buffered
from billing.metering.domain.formats.vicidial import EXTENDED
from billing.metering.models import UsageDay, UsageEvent, UsageImport
from billing.metering.services.ingest import ingest_events
from tests.build import make_agency, make_agents, make_prices
from tests.scenarios.feed_files import (
    HEADER,
    NOVEMBER,
    NOW,
    Folder,
    call_json,
    cdr,
    usage,
)
from tests.scenarios.test_switch_files import A, B, C, fs_row


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency(zone="America/New_York")
    make_agents(agency, "301", "302", "ana")
    return agency


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


class TestColumns:
    @pytest.mark.parametrize(
        "head",
        [HEADER, HEADER.upper(), "\ufeff" + HEADER.replace(",", '","').join('""'),
         "sep=,\n" + HEADER],
        ids=["plain", "capitals", "quoted after a mark", "with sep="],
    )  # fmt: skip
    def test_may_have_a_header(self, sunrise, folder, head):
        head = head.replace('\n"', '"\n')

        assert folder.take(head + cdr(61)).startswith("0 file: 1 accepted")
        assert usage(NOVEMBER) == {"voice.out": (61, 2)}

    def test_of_a_header_may_be_in_any_order_and_more(self, sunrise, folder):
        text = (
            "recording;Billsec;Disposition;DST;Channel;DstChannel;calldate;duration;UniqueID\n"
            "a.wav;61;ANSWERED;15551234567;SIP/301-0000001a;SIP/trunk-0000001b;"
            "2026-11-20 09:59:50;71;1795186700.1\n"
        )

        assert folder.take(text).startswith("0 file: 1 accepted")
        event = UsageEvent.objects.get()
        assert event.occurred_at == datetime(2026, 11, 20, 15, tzinfo=UTC)

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_may_be_separated_otherwise(self, sunrise, folder, separator):
        line = cdr(61).replace(",", separator)

        assert folder.take(line, format="asterisk").startswith("0 file: 1 accepted")

    @pytest.mark.parametrize(
        "names",
        [("sid", "status", "direction", "start_time", "duration", "to"),
         ("Call SID", "Status", "Direction", "Start Time", "Duration", "To"),
         ("CallSid", "CallStatus", "Direction", "StartTime", "CallDuration", "To")],
    )  # fmt: skip
    def test_of_twilio_may_be_spelled_in_several_ways(self, sunrise, folder, names):
        row = "CA1,Completed,Outgoing API,2026-11-20 10:00:00,61,+442071230000"

        assert folder.take(f"{','.join(names)}\n{row}\n").startswith("0 file: 1 accep")
        assert usage(NOVEMBER) == {"voice.out.intl": (61, Decimal("1.1"))}

    def test_of_telnyx_may_be_those_of_a_csv(self, sunrise, folder):
        text = (
            "Record Type;ID;Telnyx Session ID;Direction;CLD;Started At;Finished At;Call Sec\n"
            "sip-trunking;r1;s1;outbound;+12125550100;2026-11-20T15:00:00Z;"
            "2026-11-20T15:01:30Z;59\n"
        )

        assert folder.take(text).startswith("0 file: 1 accepted")
        assert usage(NOVEMBER) == {"voice.out": (59, 1)}


class TestRowsOfOneCall:
    def test_count_each_by_its_sequence(self, sunrise, folder):
        rows = [
            cdr(30, tail=f',"1795186700.1","","","1795186700.1",{n}') for n in range(3)
        ]
        assert folder.take("".join(rows)).startswith("0 file: 3 accepted")

        assert folder.take("".join(rows[1:])).startswith("0 file: 0 accepted, 2 dup")
        assert usage(NOVEMBER) == {"voice.out": (90, 3)}

    def test_are_one_where_a_local_channel_has_two_halves(self, sunrise, folder):
        half = "Local/301@from-queue-0000002c"
        rows = (
            cdr(60, channel="SIP/trunk-0000001b", other=f"{half};1", context="ext-queues")
            + cdr(60, channel=f"{half};2", other="SIP/301-0000001a", context="ext-queues")
        )  # fmt: skip

        answer = folder.take(rows)

        assert "1 accepted, 0 duplicate, 0 rejected, 1 skipped" in answer
        assert "120 answered seconds in the file: counted 60, skipped 60" in answer
        assert UsageDay.objects.get(agent__external_id="301")

    def test_of_a_vicidial_transfer_count_for_fronter_and_closer(self, sunrise, folder):
        def row(user: str, seconds: int, alt_dial: str) -> str:
            cells = {
                "call_date": "2026-11-20 10:00:00", "status": "XFER", "user": user,
                "campaign_id": "FE1", "length_in_sec": seconds, "alt_dial": alt_dial,
                "uniqueid": "1795186700.1", "dialstatus": "ANSWER", "answered_time": 185,
            }  # fmt: skip
            return "\t".join(str(cells.get(name, "")) for name in EXTENDED) + "\n"

        folder.take(row("301", 60, "MAIN") + row("302", 125, "3"))

        assert usage(NOVEMBER) == {"voice.out": (60, 1), "voice.in": (125, 3)}

    def test_were_counted_under_one_id_and_are_not_counted_again(self, sunrise, folder):
        """A database filled by an earlier version: the first row has the call's id."""
        rows = cdr(33) + cdr(61, other="SIP/302-0000001c")
        context = FileContext("SUNRISE", "America/New_York", "import:asterisk:SUNRISE")
        with buffered(BytesIO(rows.encode())) as file:
            first = next(FORMATS["asterisk"].read_rows(file, context)).leg
        assert first
        event = first.event(source=context.source, agency="SUNRISE", agent="301")
        old = replace(event, id="1795186700.1", former_ids=(), is_leg=False)
        assert ingest_events([old], owner=sunrise.pk, now=NOW)[0].status == "accepted"
        UsageImport.objects.create(
            agency=sunrise, format="asterisk", zone="America/New_York", file_name="old",
            file_hash="x", file_size=1, actor="x", created_at=NOW, finished_at=NOW,
            state="done", uploaded=False, rows=1, accepted=1, reading=1, next_attempt_at=NOW,
        )  # fmt: skip

        answer = folder.take(rows)

        assert answer.startswith("0 file: 1 accepted, 1 duplicate")
        assert usage(NOVEMBER) == {"voice.out": (94, 3)}
        assert folder.take(rows).startswith("0 file: 0 accepted, 2 duplicate")
        assert reconcile(folder).startswith("0 ")


def reconcile(folder: Folder) -> str:
    """Compare the last file with November; returns the exit code and the answer."""
    out, code = StringIO(), 0
    try:
        call_command(
            "reconcile", str(folder.path / "file"), "--agency=SUNRISE",
            "--month=2026-11", stdout=out,
        )  # fmt: skip
    except SystemExit as left:
        code = int(left.code or 0)
    return f"{code} {out.getvalue()}"


class TestReconcile:
    def test_decides_as_an_import_does_and_says_what_both_left_out(
        self, sunrise, folder
    ):
        folder.take("\n".join([
            call_json("CA", caller="client:ana", to="", direction="inbound", seconds=70),
            call_json("CB", parent="CA", direction="outbound-dial"),
            call_json("CC", direction="inbound"),
        ]))  # fmt: skip

        answer = reconcile(folder)

        assert answer.startswith("0 ")
        assert "1 rows were skipped: not usage." in answer
        assert "neither side has their 70 answered seconds" in answer
        assert "skipped: 1 x an internal leg" in answer

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_links_legs_by_any_name_as_an_import_does(self, sunrise, folder, order):
        """C names B and B names A, each with another conversation."""
        rows = [
            fs_row(C, B, caller="15125550100", called="5125559000", context="public"),
            fs_row(A, "", caller="15125550100", called="5125559000", context="public"),
            fs_row(B, A, caller="15125550100", called="5125559000", context="public"),
        ]

        folder.take("".join(rows[n] for n in order), format="freeswitch")

        assert usage(NOVEMBER) == {"voice.in": (60, 1)}
        answer = reconcile(folder)
        assert answer.startswith("0 ")
        assert "neither side has their 120 answered seconds" in answer

    def test_says_how_many_stored_legs_wait(self, sunrise, folder):
        folder.take(call_json("CB", parent="CA", direction="outbound-dial"))

        answer = reconcile(folder)

        assert answer.startswith("1 ")
        assert "1 stored legs of the month wait for another leg." in answer


class TestSessionsOfTelnyx:
    @pytest.mark.parametrize("first", [0, 1])
    def test_count_talks_after_one_another_and_one_end_of_each(
        self, sunrise, folder, first
    ):
        def leg(name: str, kind: str, minute: int, seconds: int, way: str) -> str:
            return json.dumps({
                "record_type": kind, "id": name, "telnyx_leg_id": name,
                "telnyx_session_id": "S", "direction": way, "cld": "+12125550100",
                "started_at": f"2026-11-20T15:{minute:02}:00Z", "call_sec": seconds,
                "answered_at": f"2026-11-20T15:{minute:02}:00Z",
            })  # fmt: skip

        files = [
            [leg("in", "sip-trunking", 0, 300, "inbound"),
             leg("again", "sip-trunking", 10, 60, "outbound")],
            [leg("forwarded", "sip-trunking", 1, 240, "outbound"),
             leg("program", "call-control", 10, 60, "outbound")],
        ]  # fmt: skip

        folder.take("\n".join(files[first]))
        folder.take("\n".join(files[1 - first]))

        assert usage(NOVEMBER) == {"voice.in": (300, 5), "voice.out": (60, 1)}
