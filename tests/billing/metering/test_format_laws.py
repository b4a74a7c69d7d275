"""Random calls are counted the same in the file of every feed."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.domain.formats import vicidial
from billing.metering.domain.formats.rows import buffered
from billing.metering.models import UsageDay
from billing.metering.services.imports import import_rows, start_import
from seats.models import Agency
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.build import make_agency, make_prices, make_seats
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Call:
    """An outbound call; an unanswered one has no talking time."""

    n: int
    agent: str
    rang: int
    talked: int
    minute: int

    @property
    def start(self) -> datetime:
        return datetime(2026, 3, 9, 12, tzinfo=UTC) + timedelta(minutes=self.minute)

    @property
    def answer(self) -> datetime:
        return self.start + timedelta(seconds=self.rang)

    @property
    def end(self) -> datetime:
        return self.answer + timedelta(seconds=self.talked)

    @property
    def uuid(self) -> str:
        return str(UUID(int=self.n + 1))


details = st.tuples(
    st.sampled_from(["ana", "ben"]), st.integers(0, 40), st.integers(0, 4_000),
    st.integers(0, 20_000),
)  # fmt: skip
calls = st.lists(details, min_size=1, max_size=30).map(
    lambda several: [Call(n, *fields) for n, fields in enumerate(several)]
)


def local(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def quoted(*cells: object) -> str:
    return ",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells)


def as_asterisk(call: Call) -> str:
    answered = bool(call.talked)
    return quoted(
        call.agent, "101", "1555", "outbound", '"Ana" <101>', "PJSIP/x-00000001",
        "PJSIP/t-00000002", "Dial", "", local(call.start),
        local(call.answer) if answered else "", local(call.end),
        call.rang + call.talked, call.talked,
        "ANSWERED" if answered else "NO ANSWER", "DOCUMENTATION", f"u{call.n}", "",
    )  # fmt: skip


def as_freeswitch(call: Call) -> str:
    return quoted(
        "Ana", "101", "15552340000", "default", local(call.start),
        local(call.answer) if call.talked else "", local(call.end),
        call.rang + call.talked, call.talked, "NORMAL_CLEARING", call.uuid, "",
        call.agent,
    )  # fmt: skip


def as_json_cdr(call: Call) -> str:
    answer = int(call.answer.timestamp()) if call.talked else 0
    variables = {
        "uuid": call.uuid, "context": "default", "accountcode": call.agent,
        "start_epoch": str(int(call.start.timestamp())), "answer_epoch": str(answer),
        "billsec": str(call.talked), "hangup_cause": "NORMAL_CLEARING",
    }  # fmt: skip
    return json.dumps({"core-uuid": "x", "variables": variables})


def as_twilio(call: Call) -> str:
    return json.dumps({
        "sid": f"CA{call.n}", "parent_call_sid": None, "from": "+15550001111",
        "to": "+15559990000", "direction": "outbound-api",
        "status": "completed" if call.talked else "no-answer",
        "start_time": format_datetime(call.start),
        "end_time": format_datetime(call.end), "duration": str(call.talked),
    })  # fmt: skip


def as_telnyx(call: Call) -> str:
    return json.dumps({
        "record_type": "sip-trunking", "id": f"r{call.n}",
        "call_session_id": f"s{call.n}", "direction": "outbound",
        "to": "+15559990000", "started_at": iso(call.start), "ended_at": iso(call.end),
        "call_sec": call.talked, "tags": [f"agent={call.agent}"],
    })  # fmt: skip


def as_vicidial(call: Call) -> str:
    cells: dict[str, Any] = {
        "call_date": local(call.start), "status": "SALE", "user": call.agent,
        "campaign_id": "FE1", "length_in_sec": call.talked, "alt_dial": "MAIN",
    }  # fmt: skip
    return "\t".join(str(cells.get(name, "")) for name in vicidial.STANDARD)


def as_cloud_event(call: Call) -> str:
    return json.dumps({
        "specversion": "1.0", "id": f"e{call.n}", "source": "/x", "type": "voice.out",
        "subject": call.agent, "time": iso(call.answer),
        "data": {"quantity": call.talked},
    })  # fmt: skip


def as_csv(call: Call) -> str:
    return f"a{call.n},voice.out,{call.talked},{iso(call.answer)},{call.agent}"


# feed, how a call is written, the header, whether it tells the agent
WRITERS: list[tuple[str, Callable[[Call], str], str, bool]] = [
    ("asterisk", as_asterisk, "", True),
    ("freeswitch", as_freeswitch, "", True),
    ("freeswitch", as_json_cdr, "", True),
    ("twilio", as_twilio, "", False),
    ("telnyx", as_telnyx, "", True),
    ("vicidial", as_vicidial, "", True),
    ("cloudevents", as_cloud_event, "", True),
    ("csv", as_csv, "id,meter,quantity,occurred_at,agent\n", True),
]


@pytest.fixture
def sunrise(db: None) -> Agency:
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    return agency


def import_all(agency: Agency, feed: str, content: bytes) -> Counter[str]:
    file = buffered(BytesIO(content))
    options: dict[str, Any] = {"file_name": "x", "actor": "law", "now": NOW}
    record = start_import(file, agency=agency, feed=feed, **options)
    for _ in import_rows(record, file, now=NOW):
        pass
    return Counter(accepted=record.accepted, duplicate=record.duplicate)


@pytest.mark.parametrize(
    ("feed", "write", "header", "knows_agents"),
    WRITERS,
    ids=[write.__name__ for _, write, _, _ in WRITERS],
)
@given(file_calls=calls)
@EXAMPLES
def test_a_file_is_counted_as_its_calls_are_and_once(
    sunrise: Agency,
    feed: str,
    write: Callable[[Call], str],
    header: str,
    knows_agents: bool,
    file_calls: list[Call],
) -> None:
    content = (header + "\n".join(map(write, file_calls))).encode()
    expected: Counter[str | None] = Counter()
    for call in file_calls:
        expected[call.agent if knows_agents else None] += call.talked
    with rolled_back():
        first = import_all(sunrise, feed, content)
        again = import_all(sunrise, feed, content)
        counted = UsageDay.objects.values_list("agent__external_id").annotate(
            Sum("raw")
        )

        assert first == Counter(accepted=len(file_calls))
        assert again == Counter(duplicate=len(file_calls))
        assert {agent: int(raw) for agent, raw in counted if raw} == {
            agent: seconds for agent, seconds in expected.items() if seconds
        }
