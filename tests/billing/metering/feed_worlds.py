"""Conversations as switches have them, and how each feed writes them.

An oracle of its own: a conversation says what it comes to (seconds by meter and agent),
and the writers say nothing of that. Each writes the records that its switch writes, by
its documentation, with the rows and legs that do not count.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from billing.metering.domain.formats.vicidial import EXTENDED

ZONE = ZoneInfo("America/New_York")
AGENTS = ["ana", "302"]
US, TOLL_FREE, ABROAD, ISLAND = (
    "+12125550100", "+18005550100", "+442071230000", "+18765550100"
)  # fmt: skip
METERS = {
    ("out", US): "voice.out", ("out", ABROAD): "voice.out.intl",
    ("out", ISLAND): "voice.out.intl", ("in", US): "voice.in",
    ("in", TOLL_FREE): "voice.in.tf",
}  # fmt: skip
Totals = Counter[tuple[str, str | None]]


@dataclass(frozen=True)
class Talk:
    """A conversation: its parts follow one another, each with an agent and seconds.

    `rings` are tries that nobody answered before the first part.
    """

    n: int
    way: str
    number: str
    parts: tuple[tuple[str, int], ...]
    rings: int
    minute: int

    @property
    def meter(self) -> str:
        return METERS[self.way, self.number]

    @property
    def start(self) -> datetime:
        return datetime(2026, 3, 9, 12, tzinfo=UTC) + timedelta(minutes=self.minute)

    def starts(self) -> list[datetime]:
        """When each part was answered."""
        moment, moments = self.start + timedelta(seconds=7), []
        for _, seconds in self.parts:
            moments.append(moment)
            moment += timedelta(seconds=seconds)
        return moments

    def end(self) -> datetime:
        return self.starts()[-1] + timedelta(seconds=self.parts[-1][1])

    def total(self) -> int:
        return sum(seconds for _, seconds in self.parts)

    def uuid(self, leg: int) -> str:
        return str(UUID(int=(self.n + 1) * 1000 + leg))


parts = st.lists(
    st.tuples(st.sampled_from(AGENTS), st.integers(1, 900)), min_size=1, max_size=3
).map(tuple)
talks = st.lists(
    st.tuples(
        st.sampled_from(list(METERS)), parts, st.integers(0, 2), st.integers(0, 9_000)
    ),
    min_size=1,
    max_size=8,
).map(
    lambda several: [
        Talk(n, *way, parts, rings, minute)
        for n, (way, parts, rings, minute) in enumerate(several)
    ]
)


def local(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def quoted(*cells: object) -> str:
    return ",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells)


def each_part(talks: Sequence[Talk]) -> Totals:
    """Every part counts for its agent."""
    totals: Totals = Counter()
    for talk in talks:
        for agent, seconds in talk.parts:
            totals[talk.meter, agent] += seconds
    return totals


def as_asterisk(talk: Talk, *, new_columns: bool = False) -> list[str]:
    """Rings, a queue's Local halves, and a row of the same uniqueid for each transfer."""
    unique = f"{1_773_000_000 + talk.n}.{talk.n}"
    rows: list[str] = []

    def row(channel: str, other: str, seconds: int, answer: datetime | None) -> None:
        end = (answer or talk.start) + timedelta(seconds=seconds or 7)
        cells: list[object] = [
            "", "15550001", talk.number, "from-somewhere", "x", channel, other, "Dial",
            "", local(talk.start), local(answer) if answer else "", local(end),
            seconds + 7, seconds, "ANSWERED" if answer else "NO ANSWER", "DOCUMENTATION",
            unique, "",
        ]  # fmt: skip
        if new_columns:
            cells += ["", unique, len(rows)]
        rows.append(quoted(*cells))

    trunk = "PJSIP/acme-trunk-0000001a"
    for n in range(talk.rings):
        ends = (f"PJSIP/ana-0000002{n}", trunk)
        row(*(ends if talk.way == "out" else ends[::-1]), 0, None)
    for n, ((agent, seconds), answer) in enumerate(
        zip(talk.parts, talk.starts(), strict=True)
    ):
        phone = f"PJSIP/{agent}-0000003{n}"
        if talk.way == "in" and n:
            half = f"Local/{agent}@from-queue-0000004{n}"
            row(f"{half};2", phone, seconds, answer)
            row(trunk, f"{half};1", seconds, answer)
        else:
            ends = (phone, trunk)
            row(*(ends if talk.way == "out" else ends[::-1]), seconds, answer)
    return rows


def as_new_asterisk(talk: Talk) -> list[str]:
    return as_asterisk(talk, new_columns=True)


def as_freeswitch(talk: Talk) -> list[str]:
    """Per part a leg that names its other one, which has a row as well."""
    rows = []
    for n, ((agent, seconds), answer) in enumerate(
        zip(talk.parts, talk.starts(), strict=True)
    ):
        end = answer + timedelta(seconds=seconds)
        first, second = talk.uuid(2 * n), talk.uuid(2 * n + 1)
        context = "default" if talk.way == "out" else "public"
        for uuid, other, place, lasted in (
            (first, second, context, seconds), (second, "", "default", seconds - 1),
        ):  # fmt: skip
            rows.append(quoted(
                "x", "15550002", talk.number, place, local(talk.start),
                local(answer), local(end), lasted + 7, lasted, "NORMAL_CLEARING", uuid,
                other, agent,
            ))  # fmt: skip
    return rows


def as_json_cdr(talk: Talk) -> list[str]:
    """Two originated legs that were bridged by their uuids, and their B legs."""
    rows = []
    for n, ((agent, seconds), answer) in enumerate(
        zip(talk.parts, talk.starts(), strict=True)
    ):
        first, second = talk.uuid(2 * n), talk.uuid(2 * n + 1)
        context = "default" if talk.way == "out" else "public"
        for uuid, other, role, lasted in (
            (first, second, "originator", seconds),
            (second, first, "originatee", seconds + 1),
        ):
            variables = {
                "uuid": uuid, "bridge_uuid": other, "last_bridge_role": role,
                "context": context, "accountcode": agent, "billsec": str(lasted),
                "direction": "inbound", "hangup_cause": "NORMAL_CLEARING",
                "start_epoch": str(int(talk.start.timestamp())),
                "answer_epoch": str(int(answer.timestamp())),
                "destination_number": talk.number, "sip_to_user": talk.number,
            }  # fmt: skip
            rows.append(json.dumps({"core-uuid": "x", "variables": variables}))
    return rows


def as_twilio(talk: Talk) -> list[str]:
    """A browser leg with the calls it made, or a call that browsers took over."""
    rows = []

    def row(
        sid: str, parent: str | None, caller: str, called: str, way: str,
        answer: datetime, seconds: int,
    ) -> None:  # fmt: skip
        end = answer + timedelta(seconds=seconds)
        rows.append(json.dumps({
            "sid": sid, "parent_call_sid": parent, "from": caller, "to": called,
            "direction": way, "status": "completed" if seconds else "no-answer",
            "start_time": format_datetime(talk.start), "end_time": format_datetime(end),
            "duration": str(seconds), "answered_by": None,
        }))  # fmt: skip

    moments = talk.starts()
    if talk.way == "in":
        row(f"CA{talk.n}", None, US, talk.number, "inbound", moments[0], talk.total())
        for n, ((agent, seconds), answer) in enumerate(
            zip(talk.parts, moments, strict=True)
        ):
            row(f"CA{talk.n}-{n}", f"CA{talk.n}", US, f"client:{agent}",
                "outbound-dial", answer, seconds)  # fmt: skip
    for n in range(talk.rings):
        row(f"CAR{talk.n}-{n}", None, US, talk.number,
            "outbound-api" if talk.way == "out" else "inbound", talk.start, 0)  # fmt: skip
    if talk.way == "out":
        for n, ((agent, seconds), answer) in enumerate(
            zip(talk.parts, moments, strict=True)
        ):
            leg = f"CA{talk.n}-{n}"
            row(leg, None, f"client:{agent}", "", "inbound", answer, seconds + 5)
            row(f"{leg}-x", leg, US, talk.number, "outbound-dial", answer, seconds)
    return rows


def twilio_totals(talks: Sequence[Talk]) -> Totals:
    """An inbound call counts once, for the agent who talked longest (then the last)."""
    totals: Totals = Counter()
    for talk in talks:
        if talk.way == "out":
            totals += each_part([talk])
        else:
            best = max((s, n) for n, (_, s) in enumerate(talk.parts))
            totals[talk.meter, talk.parts[best[1]][0]] += talk.total()
    return totals


def as_telnyx(talk: Talk) -> list[str]:
    """Per session the parts after one another, each with a browser leg and a program's."""
    rows = []
    way = "inbound" if talk.way == "in" else "outbound"
    for n, ((agent, seconds), answer) in enumerate(
        zip(talk.parts, talk.starts(), strict=True)
    ):
        end = answer + timedelta(seconds=seconds)
        for kind, lasted in (
            ("webrtc", seconds), ("sip-trunking", seconds), ("call-control", seconds),
        ):  # fmt: skip
            rows.append(json.dumps({
                "record_type": kind, "id": f"r{talk.n}-{n}", "direction": way,
                "telnyx_leg_id": f"l{talk.n}-{n}-{kind}",
                "telnyx_session_id": f"s{talk.n}", "cli": US, "cld": talk.number,
                "started_at": iso(talk.start), "finished_at": iso(end),
                "call_sec": lasted, "tags": [f"agent={agent}"],
            }))  # fmt: skip
    return rows


def as_vicidial(talk: Talk) -> list[str]:
    """A row for the fronter and one for each closer, with the carrier's whole time."""
    rows = []
    for n, ((agent, seconds), answer) in enumerate(
        zip(talk.parts, talk.starts(), strict=True)
    ):
        inbound = talk.way == "in" or n > 0
        cells: dict[str, Any] = {
            "call_date": local(answer), "status": "SALE", "user": agent,
            "phone_number_dialed": talk.number, "campaign_id": "FE1",
            "length_in_sec": seconds, "alt_dial": "3" if inbound else "MAIN",
            "uniqueid": f"{1_773_000_000 + talk.n}.{talk.n}", "dialstatus": "ANSWER",
            "answered_time": talk.total(),
        }  # fmt: skip
        rows.append("\t".join(str(cells.get(name, "")) for name in EXTENDED))
    return rows


def vicidial_totals(talks: Sequence[Talk]) -> Totals:
    """The closers' rows are inbound; the number that was called in is not told."""
    totals: Totals = Counter()
    for talk in talks:
        for n, (agent, seconds) in enumerate(talk.parts):
            dialed = talk.way == "out" and n == 0
            totals[talk.meter if dialed else "voice.in", agent] += seconds
    return totals


@dataclass(frozen=True)
class Feed:
    """How a feed writes a talk, and what talks come to in it."""

    format: str
    write: Callable[[Talk], list[str]]
    totals: Callable[[Sequence[Talk]], Totals] = each_part


FEEDS = [
    Feed("asterisk", as_asterisk),
    Feed("asterisk", as_new_asterisk),
    Feed("freeswitch", as_freeswitch),
    Feed("freeswitch", as_json_cdr),
    Feed("twilio", as_twilio, twilio_totals),
    Feed("telnyx", as_telnyx),
    Feed("vicidial", as_vicidial, vicidial_totals),
]
