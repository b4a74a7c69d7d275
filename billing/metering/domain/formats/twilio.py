"""Twilio's Call resources: pages of the API, a list, lines, or a CSV of the same columns.

Used: sid, parent_call_sid, from, to, status, direction, start_time, end_time, duration,
answered_by, in any order, case and spelling (`Call SID`, `CallSid`). The quantity is the
`duration` of a completed call; a call that is still going on is left out until it is
over. A leg to or from a browser or desk phone (`client:`, `sip:`) is internal; it names
the agent. Of a call with two legs on the public network only the parent counts, so a
child waits for its parent. `answered_by` shows that machine detection ran, which is an
event of its own.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.json_records import (
    Record,
    is_json,
    read_records,
    text_at,
)
from billing.metering.domain.formats.rows import (
    NOTHING,
    BadRow,
    FileContext,
    Row,
    SkippedRow,
    UnreadableCells,
    UnreadRecord,
    answered_at,
    column_count_message,
    header_names,
    non_empty,
    parse_quantity,
    parse_time,
    require_columns,
    require_values,
    row_of,
    started_at_text,
)
from billing.metering.domain.legs import GOING_ON, CallLeg
from billing.metering.domain.numbers import digits_of, meter_of
from core.parsing.values import shown

NEEDED = ("sid", "status", "direction", "start_time", "duration")
NAMES = {
    "sid": "sid", "callsid": "sid", "parentcallsid": "parent_call_sid",
    "from": "from", "fromnumber": "from", "to": "to", "tonumber": "to",
    "status": "status", "callstatus": "status", "direction": "direction",
    "starttime": "start_time", "endtime": "end_time", "duration": "duration",
    "callduration": "duration", "answeredby": "answered_by",
}  # fmt: skip
CLIENT, SIP = "client:", "sip:"
OVER = {"completed", "busy", "failed", "no-answer", "canceled", "cancelled"}
UNDER_WAY = {"queued", "initiated", "ringing", "in-progress"}
INBOUND = {"inbound", "incoming", "trunking-originating"}
OUTBOUND = {
    "outbound", "outgoing", "outbound-api", "outbound-dial", "outgoing-api",
    "outgoing-dial", "trunking-terminating",
}  # fmt: skip
DIRECTIONS = INBOUND | OUTBOUND


def recognizes(cells: list[str], record: Record | None) -> bool:
    """Whether a header or a record has the names of a Twilio call."""
    names = set(_named(record)) if record is not None else set(_columns(cells))
    return names >= set(NEEDED) or (record is not None and "calls" in record)


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every call, and the detection that ran on it."""
    for number, cells, record in _records(file):
        row = row_of(number, cells, partial(_leg, record, context))
        yield row
        if row.leg and not isinstance(record, BadRow) and record.get("answered_by"):
            yield row_of(number, cells, partial(_detection, row.leg, record, context))


def _records(
    file: BufferedReader,
) -> Iterator[tuple[int, list[str], Record | BadRow]]:
    if is_json(file):
        for number, text, record in read_records(file, page="calls"):
            yield (
                number,
                [text],
                record if isinstance(record, BadRow) else _named(record),
            )
        return
    rows = csv_cells(file)
    _, header = next(rows, (0, []))
    names = _columns(header)
    require_columns(names, NEEDED)
    for number, cells in rows:
        if isinstance(cells, UnreadableCells):
            yield number, cells, UnreadRecord("bad_row", "", cells[0])
        elif len(cells) == len(names):
            yield number, cells, dict(zip(names, cells, strict=True))
        else:
            message = column_count_message(cells, names)
            yield number, cells, BadRow("bad_row", "", message)


def _columns(header: list[str]) -> list[str]:
    return [NAMES.get(name, name) for name in header_names(header)]


def _named(record: Record) -> Record:
    """A record under the names of the API, however its keys are written."""
    if record.keys() >= set(NEEDED):
        return record
    return dict(zip(_columns(list(record)), record.values(), strict=True))


def _leg(record: Record | BadRow, context: FileContext) -> CallLeg:
    if isinstance(record, BadRow):
        raise record
    require_values(record, ("sid", "status", "direction", "start_time"))
    status = _status(record)
    seconds, inbound = _seconds(record, status), _is_inbound(record)
    ends = text_at(record, "from"), text_at(record, "to")
    outer = ends[0] if inbound else ends[1]  # the end that is not Twilio
    parent, sid = text_at(record, "parent_call_sid"), text_at(record, "sid")
    return CallLeg(
        id=sid,
        meter=meter_of(inbound=inbound, to=ends[1]),
        agent=_agent(ends, context),
        seconds=seconds,
        occurred_at=_occurred_at(record, seconds, context),
        properties=non_empty(
            disposition=status,
            started_at=started_at_text(
                partial(
                    parse_time, text_at(record, "start_time"), "start_time", context
                )
            ),
        ),
        former_ids=(parent,) if parent else (),
        conversation=parent or sid,
        parent=parent,
        is_internal=outer.lower().startswith((CLIENT, SIP)),
    )


def _status(record: Mapping[str, object]) -> str:
    return str(record["status"]).strip().lower().replace("_", "-").replace(" ", "-")


def _seconds(record: Record, status: str) -> Decimal:
    """The duration of a completed call. Raises SkippedRow while it goes on."""
    if status in UNDER_WAY:
        raise SkippedRow(GOING_ON)
    if status not in OVER:
        message = f"{shown(status)} is not a status of a call that is over."
        raise BadRow("bad_disposition", "status", message)
    duration = text_at(record, "duration")
    if status == "completed":
        return parse_quantity(duration, "duration")
    if duration and parse_quantity(duration, "duration"):
        message = f"The call is {status}, but lasted {duration} seconds."
        raise BadRow("contradictory_row", "duration", message)
    return NOTHING


def _is_inbound(record: Record) -> bool:
    direction = text_at(record, "direction").strip().lower().replace(" ", "-")
    if direction not in DIRECTIONS:
        message = f"{shown(direction)} is not a direction of Twilio."
        raise BadRow("bad_direction", "direction", message)
    return direction in INBOUND


def _agent(ends: tuple[str, str], context: FileContext) -> str | None:
    """The agent that an end names: a client, or a SIP user who is a known agent."""
    for end in ends:
        if end.lower().startswith(CLIENT):
            return end[len(CLIENT) :].partition("?")[0] or None
    for end in ends:
        if end.lower().startswith(SIP) and digits_of(end) in context.agents:
            return digits_of(end)
    return None


def _occurred_at(record: Record, seconds: Decimal, context: FileContext) -> datetime:
    """The end of the call less its duration; without an end, its start."""
    end = text_at(record, "end_time")
    if not seconds or not end:
        return parse_time(text_at(record, "start_time"), "start_time", context)
    return answered_at(ended=parse_time(end, "end_time", context), seconds=seconds)


def _detection(leg: CallLeg, record: Record, context: FileContext) -> IncomingEvent:
    return IncomingEvent(
        source=context.source,
        id=f"{leg.id}:amd",
        agency=context.agency,
        agent=None,
        meter="amd",
        quantity=Decimal(1),
        occurred_at=leg.occurred_at,
        properties={"answered_by": text_at(record, "answered_by")},
        is_leg=True,
    )
