"""VICIdial's call_report_export.php, standard and extended: tabs, header optional.

Both start with the same 36 columns. Then come (extended: five of the lead), list_name,
list_description, status_name, optional recordings, and (extended) uniqueid,
caller_code, server_ip, hangup_cause, dialstatus, channel, dial_time, answered_time,
cpd_result. A row without a header and with recordings has its extended columns at
unknown places, so they are used only if the number of columns fits. A header, in any
order and case, names the columns itself.

A call that one agent hands to another has a row for each, with one uniqueid; each counts
its own `length_in_sec`, and no more than `answered_time`, which is that of the whole
call. Inbound rows have a number, the seconds in the queue, where outbound ones have
alt_dial; a header with queue_seconds is that of the table vicidial_closer_log, which has
only inbound calls. Names, addresses and numbers of consumers are not stored. A standard row has no
id and gets one from its content.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.rows import (
    NOTHING,
    BadRow,
    ContentIds,
    FileContext,
    Row,
    SkippedRow,
    non_empty,
    parse_quantity,
    parse_time,
    require_columns,
    require_values,
    row_of,
    started_at_text,
)
from billing.metering.domain.legs import GOING_ON, CallLeg
from billing.metering.domain.numbers import meter_of
from billing.metering.domain.quantities import duration_of
from core.parsing.values import shown

STANDARD = (
    "call_date phone_number_dialed status user full_name campaign_id vendor_lead_code"
    " source_id list_id gmt_offset_now phone_code phone_number title first_name"
    " middle_initial last_name address1 address2 address3 city state province"
    " postal_code country_code gender date_of_birth alt_phone email security_phrase"
    " comments length_in_sec user_group alt_dial rank owner lead_id"
).split()
LEAD = (
    "entry_date called_count last_local_call_time modify_date called_since_last_reset"
)
NAMES = "list_name list_description status_name"
EXTENDED = [
    *STANDARD,
    *LEAD.split(),
    *NAMES.split(),
    *"uniqueid caller_code server_ip hangup_cause dialstatus channel".split(),
    *"dial_time answered_time cpd_result".split(),
]
NEEDED = "call_date status user campaign_id length_in_sec".split()
OF_CLOSERS, OF_DIALED = "queue_seconds", "alt_dial"
UNDER_WAY = {"INCALL", "QUEUE"}
ANSWERED = {"", "ANSWER", "ANSWERED"}
UNANSWERED = {
    "NOANSWER", "NO ANSWER", "BUSY", "CANCEL", "CONGESTION", "CHANUNAVAIL", "FAILED",
    "DONTCALL", "TORTURE", "INVALIDARGS", "DISCONNECT",
}  # fmt: skip
OWN_COUNTRY = "1"
NO_AGENT = {"", "VDAD", "VDCL"}  # users of calls that no agent had


def recognizes(cells: Sequence[str], line: str) -> bool:
    """Whether a line is the export's header, or has as many columns."""
    if _is_header(cells):
        return True
    return "\t" in line and len(cells) >= len(STANDARD)


def _is_header(cells: Sequence[str]) -> bool:
    return {"call_date", "length_in_sec"} <= {cell.strip().lower() for cell in cells}


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every row, by the columns of the header if there is one."""
    ids = ContentIds()
    header: Sequence[str] | None = None
    for number, cells in csv_cells(file):
        if _is_header(cells):
            header = [cell.strip().lower() for cell in cells]
            direction = OF_CLOSERS if OF_CLOSERS in header else OF_DIALED
            require_columns(header, (*NEEDED, direction))
            continue
        names = header or (EXTENDED if len(cells) == len(EXTENDED) else STANDARD)
        call = dict(zip(names, cells, strict=False))
        least = len(header) if header else len(STANDARD)
        row = row_of(number, cells, partial(_leg, call, cells, least, context, ids))
        yield row
        if row.leg and _has_detection(call):
            yield row_of(number, cells, partial(_detection, row.leg, call, context))


def _has_detection(call: Mapping[str, str]) -> bool:
    """Whether machine detection ran on the call, which was dialed."""
    ran = bool(call.get("uniqueid") and call.get("cpd_result"))
    return ran and not _is_inbound(call)


def _leg(
    call: Mapping[str, str],
    cells: Sequence[str],
    least: int,
    context: FileContext,
    ids: ContentIds,
) -> CallLeg:
    if len(cells) < least:
        message = f"The row has {len(cells)} columns. VICIdial writes {least} or more."
        raise BadRow("bad_row", "", message)
    require_values(call, ("call_date", "status"))
    if call["status"].strip().upper() in UNDER_WAY:
        raise SkippedRow(GOING_ON)
    seconds = _seconds(call)
    unique_id = call.get("uniqueid", "").strip()
    inbound = _is_inbound(call)
    return CallLeg(
        id=_row_id(unique_id, call) if unique_id else ids.id_of(cells),
        meter=meter_of(inbound=inbound, to="" if inbound else _dialed(call)),
        agent=None if call["user"] in NO_AGENT else call["user"],
        seconds=seconds,
        occurred_at=_answered_at(call, seconds, context),
        properties=non_empty(
            disposition=call["status"],
            campaign=call["campaign_id"],
            started_at=started_at_text(
                partial(parse_time, call["call_date"], "call_date", context)
            ),
        ),
        former_ids=(unique_id,) if unique_id else (),
    )


def _is_inbound(call: Mapping[str, str]) -> bool:
    """Whether it is a call of vicidial_closer_log, or has a queue's seconds."""
    return OF_CLOSERS in call or call[OF_DIALED].isdigit()


def _dialed(call: Mapping[str, str]) -> str:
    """The dialed number, with the country's code unless it is the own one."""
    number = call.get("phone_number_dialed") or call.get("phone_number", "")
    code = call.get("phone_code", "").strip().lstrip("+")
    if code.isdigit() and code != OWN_COUNTRY and not number.startswith(("+", "0")):
        return f"+{code}{number}"
    return number


def _row_id(unique_id: str, call: Mapping[str, str]) -> str:
    """Rows of one call are told apart by what does not change after it."""
    parts = (call["call_date"], call["user"], call["campaign_id"])
    text = "\x1f".join(parts).encode(errors="replace")
    return f"{unique_id}:{blake2b(text, digest_size=8).hexdigest()}"


def _seconds(call: Mapping[str, str]) -> Decimal:
    """The answered seconds of the row. Raises BadRow if it contradicts itself."""
    status = call.get("dialstatus", "").strip().upper()
    answered = parse_quantity(call.get("answered_time") or "0", "answered_time")
    if status in UNANSWERED:
        if answered:
            message = f"The call is {status}, but has {answered:f} answered seconds."
            raise BadRow("contradictory_row", "answered_time", message)
        return NOTHING
    if status not in ANSWERED:
        message = f"{shown(status)} is not a dial status."
        raise BadRow("bad_disposition", "dialstatus", message)
    length = parse_quantity(call["length_in_sec"] or "0", "length_in_sec")
    if not call.get("answered_time") or _is_inbound(call):
        return length
    return min(answered, length) if length > 0 else answered


def _answered_at(
    call: Mapping[str, str], seconds: Decimal, context: FileContext
) -> datetime:
    """The date of the call plus its ringing: `dial_time` is ringing and talking."""
    began = parse_time(call["call_date"], "call_date", context)
    if not call.get("dial_time"):
        return began
    talked = parse_quantity(call.get("answered_time") or "0", "answered_time")
    rang = parse_quantity(call["dial_time"], "dial_time") - (talked or seconds)
    return began + duration_of(min(max(rang, Decimal(0)), Decimal(3600)))


def _detection(
    leg: CallLeg, call: Mapping[str, str], context: FileContext
) -> IncomingEvent:
    return IncomingEvent(
        source=context.source,
        id=f"{call['uniqueid'].strip()}:amd",
        agency=context.agency,
        agent=leg.agent,
        meter="amd",
        quantity=Decimal(1),
        occurred_at=leg.occurred_at,
        properties={"answered_by": call["cpd_result"]},
        is_leg=True,
    )
