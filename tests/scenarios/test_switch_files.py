"""Files of switches whose rows are linked, or lead nowhere: each talk counts once."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum

from billing.metering.models import ConversationLeg, UsageDay, UsageEvent, UsageImport
from billing.metering.services.conversations import delete_old_legs
from tests.build import make_agency, make_agents, make_prices
from tests.scenarios.feed_files import NOVEMBER, Folder, call_json, cdr, usage

ANSWER = 1_795_186_800
A, B, C = (f"7c1e000{n}-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
OUTSIDE, DID = "15125550100", "5125559000"


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency(zone="America/Chicago")
    make_agents(agency, "301", "302", "ana", "bo")
    return agency


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def by_agent():
    """The seconds of each meter and agent."""
    rows = UsageDay.objects.values_list("meter__code", "agent__external_id")
    return {
        (meter, agent): int(seconds)
        for meter, agent, seconds in rows.annotate(Sum("raw"))
        if seconds
    }


def fs_row(uuid, other, *, caller, called, context="default", agent="", seconds=60):
    answer = "2026-11-20 10:00:00" if seconds else ""
    cells = ["Lee", caller, called, context, "2026-11-20 09:59:50", answer,
             "2026-11-20 10:01:00", seconds + 10, seconds, "NORMAL_CLEARING", uuid, other,
             agent]  # fmt: skip
    return ",".join(f'"{cell}"' for cell in cells) + "\n"


def fs_record(uuid, direction, *, caller, called, seconds=60, originator="", **more):
    return json.dumps({
        "variables": {
            "uuid": uuid, "direction": direction, "billsec": str(seconds),
            "start_epoch": str(ANSWER - 10), "answer_epoch": str(ANSWER),
            "hangup_cause": "NORMAL_CLEARING", **more,
            **({"originating_leg_uuid": originator} if originator else {}),
        },
        "callflow": [{"caller_profile": {
            "caller_id_number": caller, "destination_number": called,
        }}],
    }) + "\n"  # fmt: skip


class TestTheSwitchItself:
    @pytest.mark.parametrize("dialed", ["*97", "8000", "conference-sales"])
    def test_is_not_the_public_network(self, sunrise, folder, dialed):
        row = cdr(600, dst=dialed, other="")

        printed = folder.take(row + cdr(61, tail=',"1795186700.2",""'))

        assert printed.startswith(
            "0 file: 1 accepted, 0 duplicate, 0 rejected, 1 skipped"
        )
        assert "661 answered seconds in the file: counted 61, skipped 600" in printed
        assert by_agent() == {("voice.out", "301"): 61}

    @pytest.mark.parametrize("dialed", ["911", "9911", "15551234567", "*6715551234567"])
    def test_may_write_no_other_channel_of_a_call_outside(
        self, sunrise, folder, dialed
    ):
        folder.take(cdr(61, dst=dialed, other=""))

        assert by_agent() == {("voice.out", "301"): 61}

    def test_of_freeswitch_answers_feature_codes(self, sunrise, folder):
        rows = [("*98", 30), ("3000", 600), ("911", 20), ("*67" + OUTSIDE, 61)]
        text = "".join(
            fs_row(f"{A[:-1]}{n}", "", caller="301", called=called, agent="301",
                   seconds=seconds)
            for n, (called, seconds) in enumerate(rows)
        )  # fmt: skip

        assert "counted 81, skipped 630" in folder.take(text, format="freeswitch")
        assert by_agent() == {("voice.out", "301"): 81}

    def test_does_not_hide_a_country_behind_a_service_code(self, sunrise, folder):
        folder.take(cdr(61, dst="*67011442079460300"))

        assert usage(NOVEMBER) == {"voice.out.intl": (61, Decimal("1.1"))}


class TestLegsThatNameEachOther:
    ROWS = (
        fs_row(A, C, caller=OUTSIDE, called=DID, context="public"),
        fs_row(B, "", caller=OUTSIDE, called="301", agent="301", seconds=0),
        fs_row(C, A, caller=OUTSIDE, called="302", agent="302"),
    )

    @pytest.mark.parametrize("rows", list(permutations(ROWS)))
    @pytest.mark.parametrize("cut", [1, 2, 3])
    def test_are_one_talk_of_the_agent_who_had_it(self, sunrise, folder, rows, cut):
        for part in ("".join(rows[:cut]), "".join(rows[cut:]), "".join(rows)):
            if part:
                assert folder.take(part, format="freeswitch").startswith("0 ")

        assert by_agent() == {("voice.in", "302"): 60}

    def test_may_be_linked_by_a_third(self, sunrise, folder):
        """C names B and B names A, in files of their own, the middle one last."""
        rows = [
            fs_row(C, B, caller=OUTSIDE, called=DID, context="public"),
            fs_row(A, "", caller=OUTSIDE, called=DID, context="public"),
            fs_row(B, A, caller=OUTSIDE, called=DID, context="public"),
        ]

        for row in rows:
            folder.take(row, format="freeswitch")

        assert usage(NOVEMBER) == {"voice.in": (60, 1)}


class TestSecondLegs:
    @pytest.mark.parametrize("is_split", [False, True])
    @pytest.mark.parametrize("turned", [False, True])
    def test_name_the_agent_of_an_inbound_call(self, sunrise, folder, turned, is_split):
        records = [
            fs_record(A, "inbound", caller=OUTSIDE, called=DID, user_context="public"),
            fs_record(B, "outbound", caller=OUTSIDE, called="302", originator=A),
        ]
        records = records[::-1] if turned else records

        for part in records if is_split else ["".join(records)]:
            assert folder.take(part, format="freeswitch").startswith("0 ")

        assert by_agent() == {("voice.in", "302"): 60}

    @pytest.mark.parametrize("is_split", [False, True])
    @pytest.mark.parametrize("turned", [False, True])
    def test_count_if_the_first_was_to_the_agent(
        self, sunrise, folder, turned, is_split
    ):
        """Click to call: the switch dials the agent, and then the customer."""
        records = [
            fs_record(A, "outbound", caller=DID, called="301", seconds=75),
            fs_record(B, "outbound", caller=DID, called=OUTSIDE, originator=A,
                      sip_gateway_name="carrier"),
        ]  # fmt: skip
        records = records[::-1] if turned else records

        for part in records if is_split else ["".join(records)]:
            folder.take(part, format="freeswitch")

        assert by_agent() == {("voice.out", "301"): 60}

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    @pytest.mark.parametrize("cut", [1, 2, 3])
    def test_may_begin_third_ones(self, sunrise, folder, order, cut):
        """The public network calls a browser, which calls a colleague outside."""
        calls = [
            call_json("CA1", direction="inbound", seconds=80),
            call_json("CA2", parent="CA1", to="client:bo", direction="outbound-dial",
                      seconds=70),
            call_json("CA3", parent="CA2", direction="outbound-dial", seconds=40),
        ]  # fmt: skip
        lines = [calls[n] for n in order]

        for part in (lines[:cut], lines[cut:]):
            if part:
                folder.take("\n".join(part), format="twilio")

        assert by_agent() == {("voice.in", "bo"): 80, ("voice.out", "bo"): 40}
        assert not ConversationLeg.objects.filter(state="waiting").exists()


class TestATwilioLeg:
    @pytest.mark.parametrize(
        ("caller", "to", "direction", "counted"),
        [("client:ana", "+" + OUTSIDE, "outbound-dial", {("voice.out", "ana"): 60}),
         ("client:ana", "+" + OUTSIDE, "inbound", {}),
         ("+" + OUTSIDE, "sip:pbx.example.com", "trunking-originating",
          {("voice.in", None): 60}),
         ("sip:pbx.example.com", "+" + OUTSIDE, "trunking-terminating",
          {("voice.out", None): 60}),
         ("+" + OUTSIDE, "client:ana", "outbound-dial", {})],
    )  # fmt: skip
    def test_is_public_if_its_end_outside_of_twilio_is(
        self, sunrise, folder, caller, to, direction, counted
    ):
        call = call_json("CA1", caller=caller, to=to, direction=direction)

        assert folder.take(call, format="twilio").startswith("0 ")
        assert by_agent() == counted


class TestARecordThatIsTooLong:
    @pytest.mark.parametrize("last", [False, True])
    def test_costs_itself_only(self, sunrise, folder, last):
        """What is inside of it are no records, even if it looks like some."""
        inner = json.loads(fs_record(C, "inbound", caller="301", called=OUTSIDE))
        long = json.loads(fs_record(B, "inbound", caller="301", called=OUTSIDE))
        long["app_log"] = [inner] * 5_000
        good = json.loads(fs_record(A, "inbound", caller="301", called=OUTSIDE))
        records = [good, long] if last else [long, good]

        printed = folder.take(json.dumps(records), format="freeswitch")

        assert printed.startswith(
            "2 file: 1 accepted, 0 duplicate, 0 rejected, 1 not read"
        )
        assert "record_too_long" in printed
        assert UsageImport.objects.get().rows == 2
        assert usage(NOVEMBER) == {"voice.out": (60, 1)}


class TestTheTableOfClosers:
    """vicidial_closer_log, exported as it is in the database."""

    HEADER = (
        "closecallid;lead_id;campaign_id;call_date;start_epoch;end_epoch;length_in_sec;"
        "status;phone_number;user;queue_seconds;xfercallid;uniqueid\n"
    )
    ROWS = (
        "9001;7;SUPPORT;2026-11-20 09:00:00;1;2;120;SALE;5125551201;301;20.50;0;1.701\n"
        "9002;7;SUPPORT;2026-11-20 09:02:00;1;2;60;CALLBK;5125551201;302;0;9001;1.701\n"
        "9003;7;SUPPORT;2026-11-20 09:10:00;1;2;30;DROP;5125551202;VDCL;30;0;1.702\n"
        "9004;7;SUPPORT;2026-11-20 09:20:00;1;;;INCALL;5125551203;301;4.00;0;1.703\n"
    )

    def test_has_inbound_calls(self, sunrise, folder):
        text = "sep=;\n" + self.HEADER + self.ROWS

        for status in ("3 accepted, 0 dup", "0 accepted, 3 dup"):
            printed = folder.take(text, format="vicidial")
            assert printed.startswith(f"0 file: {status}")
            assert "skipped: 1 x a call that is still going on" in printed

        assert by_agent() == {
            ("voice.in", "301"): 120, ("voice.in", "302"): 60, ("voice.in", None): 30,
        }  # fmt: skip

    def test_is_no_export_without_alt_dial(self, sunrise, folder):
        text = (self.HEADER + self.ROWS).replace("queue_seconds", "queue_time")

        assert "no column 'alt_dial'" in folder.take(text, format="vicidial")


class TestReportsOfTelnyx:
    """Call reports of the portal, by the keys or by the titles of their columns."""

    HEADER = (
        "Origination Number,Terminating Number,Start Timestamp (UTC),Answer Timestamp,"
        "End Timestamp,Direction,SIP Call ID,Call Duration,Billable Time,Cost\n"
    )
    KEYS = HEADER.lower().replace(" (", "_").replace(")", "").replace(" ", "_")
    ROWS = (
        "+13125559000,+15125550801,2026-11-20 16:00:00,2026-11-20T16:00:07Z,"
        "2026-11-20T16:01:08Z,outbound,x1@10.0.0.1,61,120,0.01\n"
        "+13125559000,+15125550802,2026-11-20 16:05:00,,2026-11-20T16:05:20Z,outbound,"
        "x2@10.0.0.1,0,0,0\n"
        "+15125550803,+13125559000,2026-11-20 16:10:00,2026-11-20T16:10:02Z,"
        "2026-11-20T16:10:47Z,inbound,x3@10.0.0.1,45,60,0.01\n"
    )

    @pytest.mark.parametrize("head", [HEADER, KEYS])
    def test_count_the_seconds_of_the_call(self, sunrise, folder, head):
        assert folder.take(head + self.ROWS).startswith("0 file: 3 accepted")
        assert folder.take(head + self.ROWS).startswith("0 file: 0 accepted, 3 dup")
        assert by_agent() == {("voice.out", None): 61, ("voice.in", None): 45}
        call = UsageEvent.objects.get(external_id="x2@10.0.0.1")
        assert call.occurred_at == datetime(2026, 11, 20, 16, 5, tzinfo=UTC)


class TestStoredLegs:
    WAITING = call_json("CA2", parent="CA1", direction="outbound-dial")

    def test_say_what_was_read_for_good(self, sunrise, folder):
        folder.take(self.WAITING, format="twilio")

        for column in ("content", "leg", "conversation", "used_on"):
            with pytest.raises(DatabaseError, match="permission denied"):
                self.run(f"UPDATE billing_conversationleg SET {column} = {column}")
        self.run("UPDATE billing_conversationleg SET reason = reason")

    def test_that_wait_are_not_deleted(self, sunrise, folder):
        folder.take(self.WAITING, format="twilio")

        with pytest.raises(DatabaseError, match="not decided yet"):
            self.run("DELETE FROM billing_conversationleg")

    def test_that_are_decided_are_deleted_half_a_year_later(self, sunrise, folder):
        folder.take(call_json("CA1"), format="twilio")

        assert delete_old_legs(now=datetime(2027, 5, 1, tzinfo=UTC)) == 0
        assert delete_old_legs(now=datetime(2027, 6, 1, tzinfo=UTC)) == 1

    @staticmethod
    def run(statement):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
