"""FreeSWITCH: mod_cdr_csv's Master.csv and the records of mod_json_cdr.

Columns of the templates `example`, `snom` and those made from them: caller_id_name,
caller_id_number, destination_number, context, start_stamp, answer_stamp, end_stamp,
duration, billsec, hangup_cause, uuid, bleg_uuid, accountcode, and more. The template
`asterisk` has Asterisk's order, with hangup_cause and uuid. A header names the columns
itself.

A site may write the legs of a call as two records. In CSV the first leg names the other
one (bleg_uuid), or each names the other; in JSON the second leg names its originator,
or two legs that were joined later name each other (bridge_uuid). A leg to an agent that
the switch itself began is internal and names the agent; so the leg that it began counts.

The quantity is `billsec`; a call with an empty answer_stamp was not answered.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from io import BufferedReader

from billing.metering.domain.directions import (
    NO_END,
    Direction,
    End,
    EndKind,
    agent_of,
    direction_of,
)
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.json_records import (
    Record,
    is_json,
    read_records,
    text_at,
    texts_in,
)
from billing.metering.domain.formats.rows import (
    BadRow,
    FileContext,
    Row,
    SkippedRow,
    non_empty,
    parse_epoch,
    parse_quantity,
    parse_time,
    require_values,
    row_of,
    started_at_text,
)
from billing.metering.domain.legs import OTHER_LEG, CallLeg
from billing.metering.domain.numbers import is_dialed_out, meter_of

EXAMPLE = (
    "caller_id_name caller_id_number destination_number context start_stamp"
    " answer_stamp end_stamp duration billsec hangup_cause uuid bleg_uuid accountcode"
).split()
ASTERISK = (
    "accountcode caller_id_number destination_number context caller_id channel_name"
    " bridge_channel last_app last_arg start_stamp answer_stamp end_stamp duration"
    " billsec hangup_cause amaflags uuid userfield"
).split()
NEEDED = ("uuid", "billsec", "answer_stamp", "hangup_cause")
NEEDED_VALUES = ("uuid", "billsec")
FIRST_LINES = 10
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """What a record of either kind says, as text."""

    uuid: str
    other: str
    conversation: str
    caller: str
    called: str
    dial_context: str
    agent: str
    seconds: str
    cause: str
    is_originated: bool = False
    is_second: bool = False
    parent: str = ""
    has_gateway: bool = False


def recognizes(cells: Sequence[str], record: Record | None) -> bool:
    """Whether cells have a uuid where FreeSWITCH writes it, or a record its variables."""
    if record is not None:
        return "billsec" in (record.get("variables") or ())
    return _is_header(cells) or _order_of(cells) is not None


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every record of the file, which is CSV or JSON."""
    if is_json(file):
        return _read_json(file, context)
    return _read_csv(file, context)


def _read_csv(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    header: list[str] = []
    for number, cells in csv_cells(file):
        if not header and number <= FIRST_LINES and _is_header(cells):
            header = [name.strip().lower() for name in cells]
            continue
        yield row_of(number, cells, partial(_leg_of_cells, cells, header, context))


def _is_header(cells: Sequence[str]) -> bool:
    return set(NEEDED) <= {name.strip().lower() for name in cells}


def _order_of(cells: Sequence[str]) -> list[str] | None:
    """The columns of the template that wrote these cells, by the place of the uuid."""
    for order in (EXAMPLE, ASTERISK):
        place = order.index("uuid")
        if len(cells) > place and UUID.fullmatch(cells[place]):
            return order
    return None


def _leg_of_cells(
    cells: Sequence[str], header: Sequence[str], context: FileContext
) -> CallLeg:
    order = header or _order_of(cells)
    if order is None:
        message = "The row has no uuid in column 11 or 17, where FreeSWITCH writes it."
        raise BadRow("bad_row", "uuid", message)
    call = dict(zip(order, cells, strict=False))
    require_values(call, NEEDED_VALUES)
    other = call.get("bleg_uuid", "")
    answered = bool(call["answer_stamp"])
    field = "answer_stamp" if answered else "start_stamp"
    return _leg(
        Call(
            uuid=call["uuid"],
            other=other,
            conversation=other or call["uuid"],
            caller=call.get("caller_id_number", ""),
            called=call.get("destination_number", ""),
            dial_context=call.get("context", ""),
            agent=call.get("accountcode", ""),
            seconds=call["billsec"],
            cause=call["hangup_cause"],
        ),
        context,
        answered=answered,
        occurred_at=parse_time(call[field], field, context),
        started_at=started_at_text(
            partial(parse_time, call.get("start_stamp", ""), "start_stamp", context)
        ),
    )


def _read_json(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    for number, text, record in read_records(file):
        yield row_of(number, [text], partial(_leg_of_record, record, context))


def _leg_of_record(record: Record | BadRow, context: FileContext) -> CallLeg:
    if isinstance(record, BadRow):
        raise record
    variable = texts_in(record, "variables")
    answer = variable("answer_epoch")
    answered = answer not in ("", "0")
    uuid = variable("uuid")
    if not uuid:
        raise BadRow("bad_row", "variables.uuid", "The record has no uuid.")
    parent = variable("originator") or variable("originating_leg_uuid")
    seconds = _seconds(variable("billsec"), answered=answered)
    if parent and not seconds:
        raise SkippedRow(OTHER_LEG)  # nobody talked, so it decides nothing
    other = "" if parent else variable("bridge_uuid") or variable("signal_bond")
    profile = _caller_profile(record)
    return _leg(
        Call(
            uuid=uuid,
            other=other,
            parent=parent,
            has_gateway=bool(variable("sip_gateway_name")),
            conversation=parent or _conversation(uuid, other, seconds),
            caller=text_at(profile, "caller_id_number") or variable("sip_from_user"),
            called=text_at(profile, "destination_number") or variable("sip_to_user"),
            dial_context=variable("context") or variable("user_context"),
            is_originated=variable("direction") == "outbound",
            agent=variable("accountcode")
            or variable("sip_auth_username")
            or variable("dialed_user"),
            seconds=variable("billsec"),
            cause=variable("hangup_cause"),
            is_second=variable("last_bridge_role") == "originatee",
        ),
        context,
        answered=answered,
        occurred_at=parse_epoch(
            answer if answered else variable("start_epoch"),
            "variables.answer_epoch" if answered else "variables.start_epoch",
        ),
        started_at=started_at_text(
            partial(parse_epoch, variable("start_epoch"), "variables.start_epoch")
        ),
    )


def _conversation(uuid: str, other: str, seconds: Decimal) -> str:
    """The conversation of a first leg; empty if no leg can matter beside it."""
    if other:
        return min(uuid, other)
    return uuid if seconds else ""


def _caller_profile(record: Record) -> Record:
    """The caller profile of the first step of the call flow; empty without one."""
    flow = record.get("callflow")
    first = flow[0] if isinstance(flow, list) and flow else flow
    profile = first.get("caller_profile") if isinstance(first, dict) else None
    return profile if isinstance(profile, dict) else {}


def _leg(
    call: Call,
    context: FileContext,
    *,
    answered: bool,
    occurred_at: datetime,
    started_at: str,
) -> CallLeg:
    caller, called = _end(call.caller, context), _end(call.called, context)
    inbound = _direction(call, caller, called, context) is Direction.INBOUND
    return CallLeg(
        id=call.uuid,
        meter=meter_of(inbound=inbound, to=call.called),
        agent=_agent(call, called if inbound else caller, context),
        seconds=_seconds(call.seconds, answered=answered),
        occurred_at=occurred_at,
        properties=non_empty(disposition=call.cause.lower(), started_at=started_at),
        conversation=call.conversation,
        other=call.other,
        parent=call.parent,
        is_internal=_is_internal(call, caller, called),
        rank=int(call.is_second),
    )


def _seconds(billsec: str, *, answered: bool) -> Decimal:
    seconds = parse_quantity(billsec, "billsec")
    if seconds and not answered:
        message = f"The call has {seconds:f} answered seconds, but no answer time."
        raise BadRow("contradictory_row", "billsec", message)
    return seconds


def _end(number: str, context: FileContext) -> End:
    """The end with a number; one that says nothing may be a trunk."""
    end = context.end(number)
    return End(number, EndKind.TRUNK) if end.kind == EndKind.UNKNOWN else end


def _agent(call: Call, end: End, context: FileContext) -> str | None:
    """The account code; a number is an agent only if it is a known one."""
    is_agent = end.kind == EndKind.AGENT
    return agent_of(call.agent, end if is_agent else NO_END, context.agents)


def _is_internal(call: Call, caller: End, called: End) -> bool:
    """Whether no end of a leg is on the public network.

    That is a leg from an extension to an agent, another extension or a feature code, and
    one that the switch itself began to an agent.
    """
    if not called.name or call.has_gateway:
        return False
    if call.is_originated and called.kind == EndKind.AGENT:
        return True
    if caller.kind < EndKind.EXTENSION:
        return False
    return called.kind == EndKind.AGENT or not is_dialed_out(called.name)


def _direction(call: Call, caller: End, called: End, context: FileContext) -> Direction:
    """The direction by the ends, else by who began the call, else by the context."""
    in_context = context.direction_in(call.dial_context)
    if caller.kind != called.kind and called.name:
        return direction_of(
            caller,
            called,
            calling=call.caller,
            dialed=call.called,
            context=in_context,
        )
    if call.is_originated:
        return Direction.OUTBOUND
    return in_context or Direction.OUTBOUND
