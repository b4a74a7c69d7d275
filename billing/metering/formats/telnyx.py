"""Telnyx detail records: pages of the API, a list, or one record a line.

Of calls (record types that carry `call_sec`): id, call_leg_id, call_session_id,
direction, to, started_at, ended_at, call_sec, tags. `call_sec` counts; `billed_sec` is
the carrier's own rounding. A session is one conversation: one leg of it counts, and
the id of the event is the session's, so the database itself refuses another. Legs of
browsers (`webrtc`) are ours and cost nothing. Of machine detection (`amd`): id,
invoked_at, `invocations`, each of which counts. Other records are left out. The agent
stands in a tag `agent=ID`, the dial mode in `mode=power`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from io import BufferedReader

from billing.metering.events import IncomingEvent
from billing.metering.formats.json_records import Record, read_records, text_at
from billing.metering.formats.legs import RecentIds, meter_of
from billing.metering.formats.rows import (
    BadRow,
    FileContext,
    Row,
    SkippedRow,
    parse_quantity,
    parse_time,
    row_of,
    started_at_text,
    told,
)

LONGEST = 10**6  # seconds; longer ones are refused later, and have no answer time


def recognizes(record: Record | None) -> bool:
    """Whether a record, or a page, has the names of Telnyx."""
    if record is None:
        return False
    return "record_type" in record or {"data", "meta"} <= record.keys()


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every record of the file."""
    sessions = RecentIds()
    for number, text, record in read_records(file, page="data"):
        yield row_of(number, [text], partial(_event, record, context, sessions))


def _event(
    record: Record | BadRow, context: FileContext, sessions: RecentIds
) -> IncomingEvent:
    if isinstance(record, BadRow):
        raise record
    kind = text_at(record, "record_type")
    if kind == "amd":
        return _detection(record, context)
    if "webrtc" in kind:
        raise SkippedRow("a leg of ours")
    if "call_sec" not in record:
        raise SkippedRow(f"a record of {kind or 'another kind'}")
    return _call(record, context, sessions)


def _call(record: Record, context: FileContext, sessions: RecentIds) -> IncomingEvent:
    session = text_at(record, "call_session_id") or text_at(record, "id")
    if session in sessions:
        raise SkippedRow("the other leg of a call")
    seconds = parse_quantity(text_at(record, "call_sec") or "0", "call_sec")
    inbound = text_at(record, "direction").startswith("in")
    tags = _tags(record)
    event = IncomingEvent(
        source=context.source,
        id=session,
        agency=context.agency,
        agent=tags.get("agent"),
        meter=meter_of(inbound=inbound, to=text_at(record, "to")),
        quantity=seconds,
        occurred_at=_answered_at(record, seconds, context),
        properties=told(
            disposition=text_at(record, "status"),
            dial_mode=tags.get("mode", ""),
            started_at=started_at_text(
                partial(
                    parse_time,
                    text_at(record, "started_at"),
                    "started_at",
                    context.zone,
                )
            ),
        ),
    )
    sessions.add(session)
    return event


def _answered_at(record: Record, seconds: Decimal, context: FileContext) -> datetime:
    if not text_at(record, "ended_at") or not 0 < seconds < LONGEST:
        return parse_time(text_at(record, "started_at"), "started_at", context.zone)
    ended = parse_time(text_at(record, "ended_at"), "ended_at", context.zone)
    return ended - timedelta(seconds=float(seconds))


def _detection(record: Record, context: FileContext) -> IncomingEvent:
    tags = _tags(record)
    return IncomingEvent(
        source=context.source,
        id=text_at(record, "id"),
        agency=context.agency,
        agent=tags.get("agent"),
        meter="amd",
        quantity=parse_quantity(text_at(record, "invocations") or "1", "invocations"),
        occurred_at=parse_time(
            text_at(record, "invoked_at"), "invoked_at", context.zone
        ),
        properties=told(dial_mode=tags.get("mode", "")),
    )


def _tags(record: Record) -> dict[str, str]:
    """Tags written name=value; Telnyx gives a list or a text with commas."""
    tags = record.get("tags") or []
    if isinstance(tags, str):
        tags = tags.split(",")
    pairs = (str(tag).strip().partition("=") for tag in tags)
    return {name: value for name, equals, value in pairs if equals and value}
