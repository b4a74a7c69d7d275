"""Asterisk's cdr-csv/Master.csv, cdr_custom, and exports of the same columns.

Without a header, the columns are, in the stock order: accountcode, src, dst, dcontext,
clid, channel, dstchannel, lastapp, lastdata, start, answer, end, duration, billsec,
disposition, amaflags, [uniqueid], [userfield], and with `newcdrcolumns` peeraccount,
linkedid, sequence. The cdr_custom sample has clid first, accountcode sixteenth, and then
uniqueid, userfield, sequence; the place of the start shows which order a row has. A
header, in any order and case, names the columns itself. Further columns are passed over.

Asterisk writes a row for each pair of channels, so several rows share a uniqueid, and
each counts by its own `billsec`, from answer to end; `duration` includes ringing. The
two halves of a Local channel are one call: the half between the switch and an extension
is internal. Numbers and names of callers are not stored.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from hashlib import blake2b
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
from billing.metering.domain.formats.rows import (
    LONGEST_CALL,
    BadRow,
    ContentIds,
    FileContext,
    Row,
    SkippedRow,
    answered_at,
    header_names,
    non_empty,
    parse_quantity,
    parse_time,
    row_of,
    started_at_text,
)
from billing.metering.domain.legs import INTERNAL, CallLeg
from billing.metering.domain.numbers import meter_of
from billing.metering.domain.quantities import duration_of
from core.parsing.values import shown

STOCK = (
    "accountcode src dst dcontext clid channel dstchannel lastapp lastdata start"
    " answer end duration billsec disposition amaflags"
).split()
CUSTOM = (
    "clid src dst dcontext channel dstchannel lastapp lastdata start answer end"
    " duration billsec disposition amaflags accountcode"
).split()
STOCK_START, CUSTOM_START = STOCK.index("start"), CUSTOM.index("start")
IDS = ["uniqueid", "userfield"]
NEW_COLUMNS = ["peeraccount", "linkedid", "sequence"]
SHORTEST = 16
NEEDED = ("dst", "channel", "billsec", "disposition")
OTHER_NAMES = {"calldate": "start", "starttime": "start", "endtime": "end"}
TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?.*|\d\d?/\d\d?/\d{4} .*")
UNIQUE_ID = re.compile(r"(?:[\w.-]+-)?\d{9,10}\.\d+")
CHANNEL = re.compile(
    r"(?P<technology>[A-Za-z0-9_]+)/(?P<name>[^/@]+?)(?:@[^/]*?)?(?:/.*?)??"
    r"(?:-[0-9a-f]{4,})?(?:;[12])?(?:<[A-Z]+>)?",
    re.IGNORECASE,
)
LONGEST_CHANNEL = 200
LOCAL, LOCAL_CHANNELS = "LOCAL", ("Local/", "LOCAL/", "local/")
MOST_PEERS = 10_000  # whose ends are kept
PEERS = frozenset(["SIP", "PJSIP", "IAX2", "SCCP", "AGENT", "LOCAL"])
# Asterisk's own numbers of its dispositions, and other spellings, by what they mean.
DISPOSITIONS = {
    "ANSWERED": "answered", "ANSWER": "answered", "8": "answered",
    "NO ANSWER": "no answer", "NOANSWER": "no answer", "0": "no answer",
    "1": "no answer", "BUSY": "busy", "4": "busy", "FAILED": "failed", "2": "failed",
    "CONGESTION": "congestion", "16": "congestion", "CANCEL": "no answer",
}  # fmt: skip


def recognizes(cells: Sequence[str]) -> bool:
    """Whether cells are a call, with a disposition at the right place, or its header."""
    if _is_header(cells):
        return True
    try:
        return _disposition(_named(cells)) is not None
    except BadRow:
        return False


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every row of the file; a call without a unique id gets one from its content."""
    ids = ContentIds()
    header: list[str] = []
    for number, cells in csv_cells(file):
        if not header and number <= SHORTEST and _is_header(cells):
            header = [OTHER_NAMES.get(name, name) for name in header_names(cells)]
            continue
        yield row_of(number, cells, partial(_leg, cells, header, context, ids))


def _is_header(cells: Sequence[str]) -> bool:
    return set(NEEDED) <= set(header_names(cells))


def _named(cells: Sequence[str]) -> dict[str, str]:
    """The cells by name, in one of Asterisk's orders. Raises BadRow."""
    if len(cells) < SHORTEST:
        message = f"The row has {len(cells)} columns. Asterisk writes 16 or more."
        raise BadRow("bad_row", "", message)
    tail = cells[SHORTEST:]
    is_custom = _is_time(cells[CUSTOM_START])
    if not is_custom and _is_time(cells[STOCK_START]):
        call = dict(zip(STOCK, cells, strict=False))
        if _has_new_columns(tail):
            call |= zip(NEW_COLUMNS, tail[-3:], strict=True)
            tail = tail[:-3]
    elif is_custom:
        call = dict(zip(CUSTOM, cells, strict=False))
        if len(tail) > len(IDS) and tail[2].isdigit():
            call["sequence"] = tail[2]
    else:
        message = (
            "The row has no time in column 9 or 10, where Asterisk writes the start."
        )
        raise BadRow("bad_row", "start", message)
    if len(tail) == 1 and not UNIQUE_ID.fullmatch(tail[0].strip()):
        call["userfield"] = tail[0]
    else:
        call |= zip(IDS, tail, strict=False)
    return call


def _is_time(text: str) -> bool:
    return (text[4:5] == "-" and text[13:14] == ":") or bool(TIME.fullmatch(text))


def _has_new_columns(tail: Sequence[str]) -> bool:
    """Whether a row ends with peeraccount, linkedid and sequence."""
    return (
        len(tail) >= len(NEW_COLUMNS)
        and tail[-1].isdigit()
        and UNIQUE_ID.fullmatch(tail[-2]) is not None
    )


def _disposition(call: Mapping[str, str]) -> str | None:
    text = call["disposition"]
    return DISPOSITIONS.get(text) or DISPOSITIONS.get(text.strip().upper())


def _leg(
    cells: Sequence[str],
    header: Sequence[str],
    context: FileContext,
    ids: ContentIds,
) -> CallLeg:
    call = dict(zip(header, cells, strict=False)) if header else _named(cells)
    for name in NEEDED:
        if name not in call:
            raise BadRow("bad_row", name, f"The row has no {name}.")
    disposition = _disposition(call)
    if disposition is None:
        message = f"{shown(call['disposition'])} is not a disposition of Asterisk."
        raise BadRow("bad_disposition", "disposition", message)
    seconds = _seconds(call, disposition)
    caller = _end(call["channel"], context)
    called = _end(call.get("dstchannel", ""), context)
    direction = _direction(call, caller, called, context)
    unique_id = call.get("uniqueid", "").strip()
    leg_id = _row_id(unique_id, call, cells) if unique_id else ids.id_of(cells)
    started_at = started_at_text(
        partial(parse_time, call.get("start", ""), "start", context)
    )
    occurred_at = _occurred_at(call, seconds, disposition, context)
    if direction is Direction.INTERNAL:
        raise SkippedRow(INTERNAL, seconds)
    inbound = direction is Direction.INBOUND
    return CallLeg(
        id=leg_id,
        meter=meter_of(inbound=inbound, to=call["dst"]),
        agent=agent_of(
            call.get("accountcode", ""), called if inbound else caller, context.agents
        ),
        seconds=seconds,
        occurred_at=occurred_at,
        properties=non_empty(
            disposition=disposition,
            dial_mode=_user_value(call.get("userfield", ""), "mode"),
            started_at=started_at,
        ),
        former_ids=(unique_id,) if unique_id else (),
    )


def _seconds(call: Mapping[str, str], disposition: str) -> Decimal:
    """The answered seconds. Raises BadRow if the record contradicts itself."""
    seconds = parse_quantity(call["billsec"] or "0", "billsec")
    if disposition != "answered" and seconds:
        message = (
            f"The call is {shown(call['disposition'])}, but has {seconds:f} answered"
            " seconds."
        )
        raise BadRow("contradictory_row", "billsec", message)
    return seconds


def _occurred_at(
    call: Mapping[str, str],
    seconds: Decimal,
    disposition: str,
    context: FileContext,
) -> datetime:
    """The answer, or the start of an unanswered call.

    A missing answer is the start plus the ringing, or the end less the seconds.
    """
    answer = _time_text(call, "answer")
    if answer and (seconds or disposition == "answered"):
        return parse_time(answer, "answer", context)
    start = _time_text(call, "start")
    if not seconds:
        return parse_time(start, "start", context)
    duration = call.get("duration", "")
    if start and duration:
        rang = parse_quantity(duration, "duration") - seconds
        if 0 <= rang < LONGEST_CALL:
            return parse_time(start, "start", context) + duration_of(rang)
    if end := _time_text(call, "end"):
        return answered_at(ended=parse_time(end, "end", context), seconds=seconds)
    message = f"The call has {seconds:f} answered seconds, but no answer time."
    raise BadRow("contradictory_row", "answer", message)


def _time_text(call: Mapping[str, str], name: str) -> str:
    """The text of a time; empty for the zero that databases write."""
    text = call.get(name, "").strip()
    return "" if text.startswith("0000") else text


def _row_id(unique_id: str, call: Mapping[str, str], cells: Sequence[str]) -> str:
    """Several rows share a unique id: its sequence, or its content, tells them apart."""
    sequence = call.get("sequence", "").strip()
    if not sequence:
        text = "\x1f".join(cells)
        sequence = blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
    return f"{unique_id}:{sequence}"


def _end(channel: str, context: FileContext) -> End:
    """The end that a channel such as PJSIP/ana-0000001a leads to."""
    if not channel:
        return NO_END
    peer = channel[:-9] if channel[-9:-7] == "-0" else ""  # without its counter
    end = context.ends_of_peers.get(peer)
    if end is None:
        end = _end_of_channel(channel, context)
        if peer and ";" not in channel and len(context.ends_of_peers) < MOST_PEERS:
            context.ends_of_peers[peer] = end
    return end


def _end_of_channel(channel: str, context: FileContext) -> End:
    match = CHANNEL.fullmatch(channel) if len(channel) <= LONGEST_CHANNEL else None
    if match is None or match["technology"].upper() not in PEERS:
        return End(channel[:LONGEST_CHANNEL], EndKind.TRUNK)
    name = match["name"]
    if match["technology"].upper() == LOCAL:
        name = name.rpartition("-")[2]  # such as FMPR-301
    return context.end(name)


def _direction(
    call: Mapping[str, str], caller: End, called: End, context: FileContext
) -> Direction:
    """The direction; a half of a Local channel without a trunk is internal."""
    is_local = (
        call["channel"].startswith(LOCAL_CHANNELS),
        call.get("dstchannel", "").startswith(LOCAL_CHANNELS),
    )
    if any(is_local):
        far = [end for end, local in ((caller, is_local[0]), (called, is_local[1]))
               if not local and end.name]  # fmt: skip
        if not far or far[0].kind >= EndKind.EXTENSION or caller.name == called.name:
            return Direction.INTERNAL
        return Direction.OUTBOUND if is_local[0] else Direction.INBOUND
    return direction_of(
        caller,
        called,
        calling=call.get("src", ""),
        dialed=call["dst"],
        context=context.direction_in(call.get("dcontext", "")),
    )


def _user_value(userfield: str, name: str) -> str:
    """The value of a name in a user field such as mode=power;queue=fe-1."""
    for part in userfield.split(";"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""
