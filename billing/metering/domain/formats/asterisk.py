"""Asterisk's cdr-csv/Master.csv: no header, one row per leg.

Columns, in the stock order: accountcode, src, dst, dcontext, clid, channel,
dstchannel, lastapp, lastdata, start, answer, end, duration, billsec, disposition,
amaflags, [uniqueid], [userfield]. The cdr_custom sample has clid first and accountcode
sixteenth; the columns of the three times show which order a row has.

The quantity is `billsec`, from answer to end; `duration` includes ringing. A call that
was not ANSWERED has a quantity of 0. `start` is when ringing began. Numbers and names
of callers are not stored.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.legs import is_inbound
from billing.metering.domain.formats.rows import (
    BadRow,
    ContentIds,
    FileContext,
    Row,
    non_empty,
    parse_quantity,
    parse_time,
    row_of,
    started_at_text,
)

STOCK = (
    "accountcode src dst dcontext clid channel dstchannel lastapp lastdata start"
    " answer end duration billsec disposition amaflags uniqueid userfield"
).split()
CUSTOM = (
    "clid src dst dcontext channel dstchannel lastapp lastdata start answer end"
    " duration billsec disposition amaflags accountcode uniqueid userfield"
).split()
SHORTEST = 16
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
PEER = re.compile(
    r"^(?:SIP|PJSIP|IAX2|SCCP)/([^@/]+?)(?:-[0-9a-f]{6,})?$", re.IGNORECASE
)
DISPOSITIONS = {"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION"}


def recognizes(cells: Sequence[str]) -> bool:
    """Whether cells are an Asterisk call: its dispositions are at the right place."""
    if not SHORTEST <= len(cells) <= len(STOCK):
        return False
    return _named(cells)["disposition"].upper() in DISPOSITIONS


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every row of the file; a call without a unique id gets one from its content."""
    ids = ContentIds()
    for number, cells in csv_cells(file):
        yield row_of(number, cells, partial(_event, cells, context, ids))


def _named(cells: Sequence[str]) -> dict[str, str]:
    if not SHORTEST <= len(cells) <= len(STOCK):
        message = f"The row has {len(cells)} columns. Asterisk writes 16 to 18."
        raise BadRow("bad_row", "", message)
    order = (
        STOCK
        if TIME.fullmatch(cells[STOCK.index("start")])
        and not TIME.fullmatch(cells[CUSTOM.index("start")])
        else CUSTOM
    )
    return dict(zip(order, cells, strict=False))


def _event(
    cells: Sequence[str], context: FileContext, ids: ContentIds
) -> IncomingEvent:
    call = _named(cells)
    answered = call["disposition"].upper() == "ANSWERED" and bool(call["answer"])
    seconds = parse_quantity(call["billsec"], "billsec") if answered else Decimal(0)
    when = call["answer"] if answered else call["start"]
    inbound = is_inbound(call["dcontext"])
    return IncomingEvent(
        source=context.source,
        id=call.get("uniqueid") or ids.id_of(cells),
        agency=context.agency,
        agent=_agent(call, inbound=inbound),
        meter="voice.in" if inbound else "voice.out",
        quantity=seconds,
        occurred_at=parse_time(when, "answer" if answered else "start", context.zone),
        properties=non_empty(
            disposition=call["disposition"].lower(),
            dial_mode=_user_value(call.get("userfield", ""), "mode"),
            started_at=started_at_text(
                partial(parse_time, call["start"], "start", context.zone)
            ),
        ),
    )


def _agent(call: dict[str, str], *, inbound: bool) -> str | None:
    """The account code, else the peer that dialed (outbound) or was called (inbound)."""
    if call["accountcode"]:
        return call["accountcode"]
    peer = PEER.match(call["dstchannel" if inbound else "channel"])
    return peer.group(1) if peer else None


def _user_value(userfield: str, name: str) -> str:
    """The value of a name in a user field such as mode=power;queue=fe-1."""
    for part in userfield.split(";"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""
