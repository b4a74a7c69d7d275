"""Asterisk's cdr-csv/Master.csv: no header, one row per leg.

Columns, in the stock order: accountcode, src, dst, dcontext, clid, channel,
dstchannel, lastapp, lastdata, start, answer, end, duration, billsec, disposition,
amaflags, [uniqueid], [userfield]. The cdr_custom sample puts clid first and
accountcode sixteenth; both are told apart by where the three times stand.

What counts is `billsec`, answer to end; `duration` has the ringing in it. Whatever
was not ANSWERED counts nothing. Numbers and names of callers are not kept.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TextIO

from billing.metering.events import IncomingEvent
from billing.metering.formats.rows import (
    BadRow,
    FileContext,
    Row,
    parse_quantity,
    parse_time,
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
INBOUND = re.compile(r"inbound|incoming|from-(?:trunk|pstn|did)|queue", re.IGNORECASE)


def read_rows(file: TextIO, context: FileContext) -> Iterator[Row]:
    """Every row of the file; a call without a unique id is known by its content."""
    seen: Counter[str] = Counter()
    for number, cells in enumerate(csv.reader(file), start=1):
        if not cells:
            continue
        try:
            yield Row(number, _event(_named(cells), cells, context, seen))
        except BadRow as bad:
            yield Row(number, verdict=bad.verdict)


def _named(cells: Sequence[str]) -> dict[str, str]:
    if not SHORTEST <= len(cells) <= len(STOCK):
        raise BadRow("bad_row", "", f"{len(cells)} columns, not 16 to 18.")
    order = (
        STOCK
        if TIME.fullmatch(cells[STOCK.index("start")])
        and not TIME.fullmatch(cells[CUSTOM.index("start")])
        else CUSTOM
    )
    return dict(zip(order, cells, strict=False))


def _event(
    call: dict[str, str],
    cells: Sequence[str],
    context: FileContext,
    seen: Counter[str],
) -> IncomingEvent:
    answered = call["disposition"].upper() == "ANSWERED" and bool(call["answer"])
    seconds = parse_quantity(call["billsec"], "billsec") if answered else Decimal(0)
    when = call["answer"] if answered else call["start"]
    inbound = bool(INBOUND.search(call["dcontext"]))
    properties = {
        "disposition": call["disposition"].lower(),
        "dial_mode": _user_value(call.get("userfield", ""), "mode"),
    }
    return IncomingEvent(
        source=context.source,
        id=call.get("uniqueid") or _content_id(cells, seen),
        agency=context.agency,
        agent=_agent(call, inbound=inbound),
        meter="voice.in" if inbound else "voice.out",
        quantity=seconds,
        occurred_at=parse_time(when, "answer" if answered else "start", context.zone),
        properties={name: value for name, value in properties.items() if value},
    )


def _agent(call: dict[str, str], *, inbound: bool) -> str | None:
    """The account code, else the peer that dialled (outbound) or was rung (inbound)."""
    if call["accountcode"]:
        return call["accountcode"]
    peer = PEER.match(call["dstchannel" if inbound else "channel"])
    return peer.group(1) if peer else None


def _content_id(cells: Sequence[str], seen: Counter[str]) -> str:
    """A digest of the row and which occurrence of that content in the file it is."""
    digest = hashlib.sha256("\x1f".join(cells).encode()).hexdigest()[:32]
    seen[digest] += 1
    return f"sha256:{digest}:{seen[digest]}"


def _user_value(userfield: str, name: str) -> str:
    """`mode` of a user field written mode=power;queue=fe-1."""
    for part in userfield.split(";"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""
