"""FreeSWITCH: mod_cdr_csv's Master.csv and the records of mod_json_cdr.

Columns of the templates `example`, `snom` and those made from them: caller_id_name,
caller_id_number, destination_number, context, start_stamp, answer_stamp, end_stamp,
duration, billsec, hangup_cause, uuid, bleg_uuid, accountcode, and more. The template
`asterisk` has Asterisk's order, with hangup_cause and uuid. A site may write the legs
of a call as two records; the second of them is skipped.

The quantity is `billsec`; a call with an empty answer_stamp was not answered.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.json_records import Record, read_records, text_at
from billing.metering.domain.formats.legs import RecentIds, is_inbound
from billing.metering.domain.formats.rows import (
    BadRow,
    FileContext,
    Row,
    SkippedRow,
    non_empty,
    parse_epoch,
    parse_quantity,
    parse_time,
    row_of,
    started_at_text,
)

EXAMPLE = (
    "caller_id_name caller_id_number destination_number context start_stamp"
    " answer_stamp end_stamp duration billsec hangup_cause uuid bleg_uuid accountcode"
).split()
ASTERISK = (
    "accountcode caller_id_number destination_number context caller_id channel_name"
    " bridge_channel last_app last_arg start_stamp answer_stamp end_stamp duration"
    " billsec hangup_cause amaflags uuid userfield"
).split()
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
OTHER_LEG = "the other leg of a call"


def recognizes(cells: Sequence[str], record: Record | None) -> bool:
    """Whether cells have a uuid where FreeSWITCH writes it, or a record its variables."""
    if record is not None:
        return "billsec" in (record.get("variables") or ())
    return _order_of(cells) is not None


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every record of the file, which is CSV or JSON."""
    if file.peek(1)[:1] in (b"{", b"["):
        return _read_json(file, context)
    return _read_csv(file, context)


def _read_csv(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    legs = RecentIds()
    for number, cells in csv_cells(file):
        yield row_of(number, cells, partial(_event_of_cells, cells, context, legs))


def _order_of(cells: Sequence[str]) -> list[str] | None:
    """The columns of the template that wrote these cells, by the place of the uuid."""
    for order in (EXAMPLE, ASTERISK):
        place = order.index("uuid")
        if len(cells) > place and UUID.fullmatch(cells[place]):
            return order
    return None


def _event_of_cells(
    cells: Sequence[str], context: FileContext, legs: RecentIds
) -> IncomingEvent:
    order = _order_of(cells)
    if order is None:
        message = "The row has no uuid in column 11 or 17, where FreeSWITCH writes it."
        raise BadRow("bad_row", "uuid", message)
    call = dict(zip(order, cells, strict=False))
    other = call.get("bleg_uuid", "")
    if call["uuid"] in legs or other in legs:
        raise SkippedRow(OTHER_LEG)
    legs.add(call["uuid"])
    if other:
        legs.add(other)
    answered = bool(call["answer_stamp"])
    field = "answer_stamp" if answered else "start_stamp"
    return _event(
        context,
        id_=call["uuid"],
        dial_context=call["context"],
        agent=call.get("accountcode", ""),
        seconds=call["billsec"] if answered else "0",
        occurred_at=parse_time(call[field], field, context.zone),
        started_at=started_at_text(
            partial(parse_time, call["start_stamp"], "start_stamp", context.zone)
        ),
        cause=call["hangup_cause"],
    )


def _read_json(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    for number, text, record in read_records(file):
        yield row_of(number, [text], partial(_event_of_record, record, context))


def _event_of_record(record: Record | BadRow, context: FileContext) -> IncomingEvent:
    if isinstance(record, BadRow):
        raise record
    variable = partial(text_at, record, "variables")
    if variable("originator") or variable("originating_leg_uuid"):
        raise SkippedRow(OTHER_LEG)
    answer = variable("answer_epoch")
    answered = answer not in ("", "0")
    return _event(
        context,
        id_=variable("uuid"),
        dial_context=variable("context") or variable("user_context"),
        agent=variable("accountcode") or variable("sip_auth_username"),
        seconds=variable("billsec") if answered else "0",
        occurred_at=parse_epoch(
            answer if answered else variable("start_epoch"),
            "variables.answer_epoch" if answered else "variables.start_epoch",
        ),
        started_at=started_at_text(
            partial(parse_epoch, variable("start_epoch"), "variables.start_epoch")
        ),
        cause=variable("hangup_cause"),
    )


def _event(
    context: FileContext,
    *,
    id_: str,
    dial_context: str,
    agent: str,
    seconds: str,
    occurred_at: datetime,
    started_at: str,
    cause: str,
) -> IncomingEvent:
    return IncomingEvent(
        source=context.source,
        id=id_,
        agency=context.agency,
        agent=agent or None,
        meter="voice.in" if is_inbound(dial_context) else "voice.out",
        quantity=parse_quantity(seconds, "billsec"),
        occurred_at=occurred_at,
        properties=non_empty(disposition=cause.lower(), started_at=started_at),
    )
