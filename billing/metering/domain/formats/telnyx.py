"""Telnyx detail records: pages of the API, a list, or one record per line.

Calls are the record types with `call_sec`, their quantity; `billed_sec` is rounded by
Telnyx. Also used: id, call_leg_id, call_session_id, direction, to, started_at, ended_at,
tags. A session is one conversation: one leg of it counts, and the event has the id of
the session, so that another leg is a duplicate. Legs of browsers (`webrtc`) are internal
and skipped. Machine detections (`amd`: id, invoked_at, invocations) count each of their
`invocations`. Other records are skipped. The tag `agent=ID` has the agent, `mode=power`
the dial mode.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.json_records import Record, read_records, text_at
from billing.metering.domain.formats.legs import RecentIds, meter_of
from billing.metering.domain.formats.rows import (
    BadRow,
    FileContext,
    Row,
    SkippedRow,
    non_empty,
    parse_quantity,
    parse_time,
    row_of,
    started_at_text,
)

LONGEST = 10**6  # seconds; longer calls are rejected later, and have no answer time


def recognizes(record: Record | None) -> bool:
    """Whether a record, or a page, has the keys of Telnyx."""
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
        raise SkippedRow("an internal leg")
    if "call_sec" not in record:
        raise SkippedRow(f"a record of type {kind or 'unknown'}")
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
        properties=non_empty(
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
        properties=non_empty(dial_mode=tags.get("mode", "")),
    )


def _tags(record: Record) -> dict[str, str]:
    """The tags of the form name=value, from a list or comma-separated text."""
    tags = record.get("tags") or []
    if isinstance(tags, str):
        tags = tags.split(",")
    pairs = (str(tag).strip().partition("=") for tag in tags)
    return {name: value for name, equals, value in pairs if equals and value}
