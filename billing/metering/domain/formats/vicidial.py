"""VICIdial's call_report_export.php, standard and extended: tabs, header optional.

Both start with the same 36 columns. Then come (extended: five of the lead), list_name,
list_description, status_name, optional recordings, and (extended) uniqueid,
caller_code, server_ip, hangup_cause, dialstatus, channel, dial_time, answered_time,
cpd_result. A row without a header and with recordings has its extended columns at
unknown places, so they are used only if the number of columns fits.

The quantity is `answered_time`, else `length_in_sec`. Inbound rows have a number, the
seconds in the queue, where outbound ones have alt_dial. Names, addresses and numbers of
consumers are not stored. A standard row has no id and gets one from its content.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from io import BufferedReader

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.csv_rows import csv_cells
from billing.metering.domain.formats.rows import (
    BadRow,
    ContentIds,
    FileContext,
    Row,
    non_empty,
    parse_quantity,
    parse_time,
    require_columns,
    row_of,
    started_at_text,
)

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
NEEDED = "call_date status user campaign_id length_in_sec alt_dial".split()
NO_AGENT = {"", "VDAD", "VDCL"}  # users of calls that no agent had


def recognizes(line: str) -> bool:
    """Whether a line is the export's header, or has as many columns."""
    cells = line.split("\t")
    return cells[0] == "call_date" or len(cells) >= len(STANDARD)


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every row, by the columns of the header if there is one."""
    ids = ContentIds()
    header: Sequence[str] | None = None
    for number, cells in csv_cells(file, delimiter="\t"):
        if cells[0] == "call_date":
            header = cells
            require_columns(header, NEEDED)
            continue
        names = header or (EXTENDED if len(cells) == len(EXTENDED) else STANDARD)
        call = dict(zip(names, cells, strict=False))
        row = row_of(number, cells, partial(_event, call, cells, context, ids))
        yield row
        if row.event and call.get("uniqueid") and call.get("cpd_result"):
            yield row_of(number, cells, partial(_detection, row.event, call))


def _event(
    call: dict[str, str], cells: Sequence[str], context: FileContext, ids: ContentIds
) -> IncomingEvent:
    if len(cells) < len(STANDARD):
        message = f"The row has {len(cells)} columns. VICIdial writes 36 or more."
        raise BadRow("bad_row", "", message)
    seconds = _seconds(call)
    return IncomingEvent(
        source=context.source,
        id=call.get("uniqueid") or ids.id_of(cells),
        agency=context.agency,
        agent=None if call["user"] in NO_AGENT else call["user"],
        meter="voice.in" if call["alt_dial"].isdigit() else "voice.out",
        quantity=seconds,
        occurred_at=_answered_at(call, seconds, context),
        properties=non_empty(
            disposition=call["status"],
            campaign=call["campaign_id"],
            started_at=started_at_text(
                partial(parse_time, call["call_date"], "call_date", context.zone)
            ),
        ),
    )


def _seconds(call: dict[str, str]) -> Decimal:
    if call.get("dialstatus", "ANSWER") not in ("", "ANSWER"):
        return Decimal(0)
    if call.get("answered_time"):
        return parse_quantity(call["answered_time"], "answered_time")
    return parse_quantity(call["length_in_sec"] or "0", "length_in_sec")


def _answered_at(
    call: dict[str, str], seconds: Decimal, context: FileContext
) -> datetime:
    """The date of the call plus its ringing: `dial_time` is ringing and talking."""
    began = parse_time(call["call_date"], "call_date", context.zone)
    if not call.get("dial_time"):
        return began
    rang = parse_quantity(call["dial_time"], "dial_time") - seconds
    return began + timedelta(seconds=float(min(max(rang, Decimal(0)), Decimal(3600))))


def _detection(event: IncomingEvent, call: dict[str, str]) -> IncomingEvent:
    return IncomingEvent(
        source=event.source,
        id=f"{event.id}:amd",
        agency=event.agency,
        agent=event.agent,
        meter="amd",
        quantity=Decimal(1),
        occurred_at=event.occurred_at,
        properties={"answered_by": call["cpd_result"]},
    )
