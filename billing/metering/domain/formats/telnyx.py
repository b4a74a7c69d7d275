"""Telnyx detail records: pages of the API, a list, one record per line, or a CSV.

Calls are the record types with `call_sec`, their quantity; `billed_sec` is rounded by
Telnyx. Also used, each under the names that the API and its SDKs have: the ids of the
record, leg and session, direction, to (cld), from (cli), started_at, ended_at
(finished_at), answered_at, tags. A session may have several legs: those at the same time
are the ends of one talk, and one of them counts; a carrier's record (`sip-trunking`)
before the one of the program that used it. Legs of browsers (`webrtc`) and to SIP
addresses are internal. Machine detections (`amd`: id, invoked_at, invocations) count each
of their `invocations`. Other records are skipped. The tag `agent=ID` has the agent,
`mode=power` the dial mode.
"""

from collections.abc import Iterator
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
    BadRow,
    FileContext,
    Row,
    SkippedRow,
    UnreadableCells,
    answered_at,
    column_count_message,
    non_empty,
    parse_quantity,
    parse_time,
    require_columns,
    row_of,
    started_at_text,
)
from billing.metering.domain.legs import CallLeg
from billing.metering.domain.numbers import digits_of, meter_of
from core.parsing.values import shown

CALL_TYPES = {"sip-trunking", "call-control", "webrtc", "conference-participant"}
LEG = ("call_leg_id", "telnyx_leg_id", "leg_id")
SESSION = ("call_session_id", "telnyx_session_id", "session_id")
CALLER, CALLED = ("from", "cli"), ("to", "cld")
STARTED, ENDED = ("started_at", "start_time"), ("ended_at", "finished_at", "end_time")
SIP_PREFIXES = ("sip:", "sips:")
INBOUND, OUTBOUND = {"inbound", "incoming", "in"}, {"outbound", "outgoing", "out"}
RANKS = {"sip-trunking": 0}


def recognizes(cells: list[str], record: Record | None) -> bool:
    """Whether a record, a page or a header has the keys of Telnyx."""
    if record is None:
        return {"record_type", "call_sec"} <= set(_columns(cells))
    return "record_type" in record or {"data", "meta"} <= record.keys()


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every record of the file."""
    for number, cells, record in _records(file):
        yield row_of(number, cells, partial(_content, record, context))


def _records(file: BufferedReader) -> Iterator[tuple[int, list[str], Record | BadRow]]:
    if is_json(file):
        for number, text, record in read_records(file, page="data"):
            yield number, [text], record
        return
    rows = csv_cells(file)
    _, header = next(rows, (0, []))
    names = _columns(header)
    require_columns(names, ("record_type", "call_sec"))
    for number, cells in rows:
        if len(cells) == len(names) or isinstance(cells, UnreadableCells):
            yield number, cells, dict(zip(names, cells, strict=False))
        else:
            message = column_count_message(cells, names)
            yield number, cells, BadRow("bad_row", "", message)


def _columns(header: list[str]) -> list[str]:
    return [name.strip().lower().replace(" ", "_") for name in header]


def _content(record: Record | BadRow, context: FileContext) -> CallLeg | IncomingEvent:
    if isinstance(record, BadRow):
        raise record
    kind = text_at(record, "record_type")
    if kind == "amd":
        return _detection(record, context)
    if not text_at(record, "call_sec") and kind not in CALL_TYPES:
        raise SkippedRow(f"a record of type {kind or 'unknown'}")
    return _leg(record, kind, context)


def _leg(record: Record, kind: str, context: FileContext) -> CallLeg:
    ids = [_first(record, (name,)) for name in ("id", *LEG)]
    if not any(ids):
        raise BadRow("bad_row", "id", "The record has no id of its own or of its leg.")
    session = _first(record, SESSION)
    seconds = parse_quantity(_needed(record, ("call_sec",)), "call_sec")
    ends = _first(record, CALLER), _first(record, CALLED)
    internal = "webrtc" in kind or any(
        end.lower().startswith(SIP_PREFIXES) for end in ends
    )
    tags = _tags(record)
    started = _needed(record, STARTED)
    return CallLeg(
        id=_first(record, LEG) or (f"{ids[0]}:{kind}" if kind not in RANKS else ids[0]),
        meter="voice.out" if internal else _meter(record),
        agent=tags.get("agent") or _agent(ends, context),
        seconds=seconds,
        occurred_at=_occurred_at(record, started, seconds, context),
        properties=non_empty(
            disposition=text_at(record, "status"),
            dial_mode=tags.get("mode", ""),
            started_at=started_at_text(
                partial(parse_time, started, STARTED[0], context)
            ),
        ),
        former_ids=(session or ids[0],),
        conversation=session,
        in_session=True,
        is_internal=internal,
        rank=RANKS.get(kind, 1),
    )


def _first(record: Record, names: tuple[str, ...]) -> str:
    """The first of several fields that has a value; empty if none has."""
    return next((text for name in names if (text := text_at(record, name))), "")


def _needed(record: Record, names: tuple[str, ...]) -> str:
    """Raises BadRow if none of several fields has a value."""
    text = _first(record, names)
    if not text:
        message = f"The record has no {' or '.join(names)}."
        raise BadRow("bad_row", names[0], message)
    return text


def _meter(record: Record) -> str:
    direction = _needed(record, ("direction",)).strip().lower()
    if direction not in INBOUND | OUTBOUND:
        message = f"{shown(direction)} is not a direction of Telnyx."
        raise BadRow("bad_direction", "direction", message)
    return meter_of(inbound=direction in INBOUND, to=_needed(record, CALLED))


def _agent(ends: tuple[str, str], context: FileContext) -> str | None:
    """The known agent whose SIP address is an end."""
    for end in ends:
        if end.lower().startswith(SIP_PREFIXES) and digits_of(end) in context.agents:
            return digits_of(end)
    return None


def _occurred_at(
    record: Record, started: str, seconds: Decimal, context: FileContext
) -> datetime:
    """The answer: as recorded, else the end less the seconds, else the start."""
    if seconds and (answered := text_at(record, "answered_at")):
        return parse_time(answered, "answered_at", context)
    if seconds and (ended := _first(record, ENDED)):
        return answered_at(ended=parse_time(ended, ENDED[0], context), seconds=seconds)
    return parse_time(started, STARTED[0], context)


def _detection(record: Record, context: FileContext) -> IncomingEvent:
    tags = _tags(record)
    return IncomingEvent(
        source=context.source,
        id=_needed(record, ("id",)),
        agency=context.agency,
        agent=tags.get("agent"),
        meter="amd",
        quantity=parse_quantity(text_at(record, "invocations") or "1", "invocations"),
        occurred_at=parse_time(_needed(record, ("invoked_at",)), "invoked_at", context),
        properties=non_empty(dial_mode=tags.get("mode", "")),
        is_leg=True,
    )


def _tags(record: Record) -> dict[str, str]:
    """The tags of the form name=value, from a list or comma-separated text."""
    tags = record.get("tags") or []
    if isinstance(tags, str):
        tags = tags.split(",")
    if not isinstance(tags, list):
        return {}
    pairs = (str(tag).strip().partition("=") for tag in tags)
    return {name: value for name, equals, value in pairs if equals and value}
