"""Each feed reads a file made from its documented columns."""

from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from billing.metering.domain.conversations import (
    Decision,
    Verdict,
    decide_conversation,
)
from billing.metering.domain.formats.catalogue import (
    FORMATS,
    UnknownFormat,
    detect_format,
)
from billing.metering.domain.formats.rows import (
    ColumnMissing,
    FileContext,
    Row,
    buffered,
)
from billing.metering.domain.legs import CallLeg

FEEDS = Path(__file__).with_name("feeds")
CONTEXT = FileContext("SUNRISE", "America/New_York", "/import")
FIRST = "a5c9f6c0-e752-11e3-8bfb-65b6c3cdac7d"
THIRD = "c5c9f6c0-e752-11e3-8bfb-65b6c3cdac7d"
FOURTH = "d5c9f6c0-e752-11e3-8bfb-65b6c3cdac7d"
FIFTH = "e5c9f6c0-e752-11e3-8bfb-65b6c3cdac7d"

# file -> feed, then row, id, meter, agent, quantity, time in UTC, properties;
# or row and why it is no event.
GOLDEN = {
    "asterisk.csv": ("asterisk", [
        (1, "1773158400.1:0a799af9b6969370", "voice.out", "ana", "135", "16:00:09",
         {"disposition": "answered", "dial_mode": "power"}),
        (2, "1773158580.3:cb55e906c2f1abb9", "voice.out", "ana", "0", "16:03:00",
         {"disposition": "no answer"}),
        (3, "1773158700.5:aaa930750a0b6e65", "voice.in", "ben", "60", "16:05:02",
         {"disposition": "answered"}),
        (4, "bad_row"),
    ]),
    "freeswitch.csv": ("freeswitch", [
        (1, FIRST, "voice.out", "ana", "135", "16:00:09",
         {"disposition": "normal_clearing"}),
        (2, "the other leg of a call"),
        (3, THIRD, "voice.in", "ben", "60", "16:05:02",
         {"disposition": "normal_clearing"}),
        (4, FOURTH, "voice.out", "ana", "0", "16:07:00",
         {"disposition": "no_user_response"}),
        (5, "bad_row"),
        (6, FIFTH, "voice.out", "ana", "45", "16:10:05",
         {"disposition": "normal_clearing"}),
    ]),
    "freeswitch.json": ("freeswitch", [
        (1, FIRST, "voice.out", "ana", "135", "16:00:09",
         {"disposition": "normal_clearing"}),
        (2, "the other leg of a call"),
        (3, FOURTH, "voice.in", "ben", "0", "16:07:00",
         {"disposition": "originator_cancel"}),
        (4, "bad_json"),
    ]),
    "twilio.json": ("twilio", [
        (1, "CA3", "voice.out", "ana", "135", "16:10:00",
         {"disposition": "completed"}),
        (1, "CA3:amd", "amd", None, "1", "16:10:00",
         {"answered_by": "machine_start"}),
        (2, "an internal leg"),
        (3, "the other leg of a call"),
        (4, "CA4", "voice.in.tf", None, "41", "16:20:00",
         {"disposition": "completed"}),
        (5, "CA6", "voice.out.intl", None, "0", "16:30:00",
         {"disposition": "no-answer"}),
        (6, "bad_time"),
    ]),
    "telnyx.json": ("telnyx", [
        (1, "l1", "voice.out", "ana", "135", "16:00:09",
         {"dial_mode": "predictive"}),
        (2, "the other leg of a call"),
        (3, "r3", "amd", "ana", "2", "16:00:10.250000",
         {"dial_mode": "predictive"}),
        (4, "an internal leg"),
        (5, "a record of type message_detail_record"),
        (6, "r6", "voice.in", None, "0", "16:05:00", {}),
    ]),
    "vicidial.txt": ("vicidial", [
        (1, None, "voice.out", "ana", "135", "16:00:00",
         {"disposition": "SALE", "campaign": "FE1"}),
        (2, None, "voice.out", "ana", "135", "16:00:00",
         {"disposition": "SALE", "campaign": "FE1"}),
        (3, None, "voice.in", None, "60", "16:05:00",
         {"disposition": "DROP", "campaign": "FE1"}),
        (4, "bad_row"),
    ]),
    "vicidial_extended.txt": ("vicidial", [
        (2, "1773158400.9:26ec413c5562f7f3", "voice.out", "ana", "131", "16:00:13",
         {"disposition": "SALE", "campaign": "FE1"}),
        (2, "1773158400.9:amd", "amd", "ana", "1", "16:00:13",
         {"answered_by": "HUMAN"}),
        (3, "1773158820.9:efdee1905b72bdd8", "voice.out", None, "0", "16:07:25",
         {"disposition": "NA", "campaign": "FE1"}),
    ]),
    "cloudevents.json": ("cloudevents", [
        (1, "e1", "voice.out", "ana", "135", "16:00:09", {"dial_mode": "power"}),
        (2, "e2", "sms.segment", None, "1.5", "16:00:09", {}),
        (3, "bad_event"),
        (4, "bad_event"),
    ]),
    "csv.csv": ("csv", [
        (2, "a1", "voice.out", "ana", "135", "16:00:09", {"dial_mode": "power"}),
        (3, "bad_quantity"),
    ]),
}  # fmt: skip

# file -> when each of its calls began to ring, in UTC, where the feed says it
BEGAN = {
    "asterisk.csv": ["16:00:00", "16:03:00", "16:05:00"],
    "freeswitch.csv": ["16:00:00", "16:05:00", "16:07:00", "16:10:00"],
    "freeswitch.json": ["16:00:00", "16:07:00"],
    "twilio.json": ["16:10:00", "16:20:00", "16:30:00"],
    "telnyx.json": ["16:00:00", "16:05:00"],
    "vicidial.txt": ["16:00:00", "16:00:00", "16:05:00"],
    "vicidial_extended.txt": ["16:00:00", "16:07:00"],
}


def read(feed: str, content: bytes) -> list[Row]:
    """The rows of a file, after what their conversations decide about legs."""
    rows = list(FORMATS[feed].read_rows(buffered(BytesIO(content)), CONTEXT))
    legs: dict[str, list[CallLeg]] = {}
    for row in rows:
        if row.leg:
            legs.setdefault(row.leg.conversation or row.leg.id, []).append(row.leg)
    decisions: dict[str, Decision] = {}
    for several in legs.values():
        decisions |= decide_conversation(several, is_complete=True)
    return [decided(row, decisions) for row in rows]


def decided(row: Row, decisions: dict[str, Decision]) -> Row:
    if row.leg is None:
        return row
    decision = decisions[row.leg.id]
    if decision.verdict is Verdict.COUNTS:
        event = row.leg.event(source="/import", agency="SUNRISE", agent=decision.agent)
        return Row(row.number, row.cells, event=event)
    return Row(row.number, row.cells, skip_reason=decision.reason)


def as_tuple(row: Row) -> tuple[object, ...]:
    """A row in the form of the GOLDEN table."""
    event = row.event
    if event is None:
        return row.number, row.skip_reason or (row.rejection and row.rejection.code)
    instant = event.occurred_at.astimezone(UTC)
    assert instant.date().isoformat() == "2026-03-10"
    name = None if event.id.startswith("sha256:") else event.id
    properties = {k: v for k, v in event.properties.items() if k != "started_at"}
    return (
        row.number, name, event.meter, event.agent, str(event.quantity),
        instant.time().isoformat(), properties,
    )  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
class TestEveryFeed:
    def test_reads_its_file(self, name):
        feed, expected = GOLDEN[name]

        rows = read(feed, (FEEDS / name).read_bytes())

        assert [as_tuple(row) for row in rows] == expected

    def test_keeps_when_ringing_began_where_it_is_told(self, name):
        feed, _ = GOLDEN[name]

        rows = read(feed, (FEEDS / name).read_bytes())

        began = [row.event.properties.get("started_at") for row in rows if row.event]
        assert [instant for instant in began if instant] == [
            f"2026-03-10T{time}+00:00" for time in BEGAN.get(name, [])
        ]

    def test_is_known_by_how_its_file_begins(self, name):
        file = buffered(BytesIO((FEEDS / name).read_bytes()))

        assert detect_format(file) == GOLDEN[name][0]
        assert file.tell() == 0

    def test_keeps_no_personal_data(self, name):
        feed, _ = GOLDEN[name]

        rows = read(feed, (FEEDS / name).read_bytes())

        kept = str([row.event for row in rows])
        assert not [word for word in ("Erika", "Main", "9990", "1555") if word in kept]

    def test_gives_the_same_events_when_read_again(self, name):
        feed, _ = GOLDEN[name]
        content = (FEEDS / name).read_bytes()

        events = [row.event for row in read(feed, content)]

        assert [row.event for row in read(feed, content)] == events
        ids = [(event.source, event.id) for event in events if event]
        assert len(set(ids)) == len(ids)

    def test_never_raises_for_what_is_broken_in_it(self, name):
        feed, _ = GOLDEN[name]
        content = (FEEDS / name).read_bytes()
        for end in range(0, len(content), 97):
            mangled = content[:end] + b'\xff"\\\n{[' + content[end + 5 :]
            with suppress(ColumnMissing):
                read(feed, mangled)


class TestSniffing:
    @pytest.mark.parametrize(
        "content", [b"", b"hello\n", b"{}", b"[1, 2]", b"a,b,c\n1,2,3\n", b"\xff" * 50]
    )
    def test_says_that_it_does_not_know(self, content):
        with pytest.raises(UnknownFormat):
            detect_format(buffered(BytesIO(content)))


class TestTime:
    def test_is_local_to_the_zone_on_both_sides_of_a_change_of_clocks(self):
        lines = [
            f"a{n},voice.out,1,2026-{day}"
            for n, day in enumerate(["03-08T01:59:59", "03-08T03:00:00"])
        ]
        head = "id,meter,quantity,occurred_at\n"

        rows = read("csv", (head + "\n".join(lines)).encode())

        moments = [row.event.occurred_at for row in rows if row.event]
        assert moments == [
            datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC),
            datetime(2026, 3, 8, 7, tzinfo=UTC),
        ]


class TestJson:
    @pytest.mark.parametrize("join", ["\n", "\n\n", " ", ",\n"])
    def test_reads_records_however_they_are_strung_together(self, join):
        event = (
            '{"specversion": "1.0", "id": "e%d", "source": "/x", "type": "voice.out",'
            ' "time": "2026-03-10T12:00:09Z",\n "data": {"quantity": 5}}'
        )
        if join == "\n\n":
            event = event.replace("\n", "")
        content = join.join(event % n for n in range(3))
        if join.startswith(","):
            content = f"\ufeff [{content}]"

        rows = read("cloudevents", content.encode())

        assert [row.event and row.event.id for row in rows] == ["e0", "e1", "e2"]
