"""CloudEvents 1.0 in JSON: one per line, one after another, or a batch. Pure.

`type` is the meter, `subject` the agent and `time` the time of the event. The extension
`agency` names the agency, `supersedes` the id of the event, of the same source, that
this one replaces. `data` holds the quantity and the properties.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from io import BufferedReader
from typing import Annotated, Any, Literal

import msgspec

from billing.metering.domain.events import IncomingEvent
from billing.metering.domain.formats.json_records import Record, read_records
from billing.metering.domain.formats.rows import BadRow, FileContext, Row, row_of
from billing.metering.domain.quantities import BadQuantity, Quantity, quantity_of

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class CloudData(msgspec.Struct, forbid_unknown_fields=True):
    """The `data` of a CloudEvent that is a usage event."""

    quantity: Quantity
    properties: dict[str, Any] = {}


class CloudEvent(msgspec.Struct):
    """CloudEvents 1.0: `type` is the meter, `subject` the agent."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: Instant
    data: CloudData
    subject: str | None = None
    agency: str | None = None
    supersedes: str | None = None


_decode = msgspec.json.Decoder(CloudEvent).decode


def event_of(payload: CloudEvent, *, agency: str) -> IncomingEvent:
    """The usage event in a CloudEvent; `agency` is the code if it has none.

    Raises BadQuantity.
    """
    return IncomingEvent(
        source=payload.source,
        id=payload.id,
        agency=payload.agency or agency,
        agent=payload.subject,
        meter=payload.type,
        quantity=quantity_of(payload.data.quantity),
        occurred_at=payload.time,
        properties=payload.data.properties,
        supersedes=payload.supersedes,
    )


def recognizes(record: Record | None) -> bool:
    """Whether a record has the version of CloudEvents."""
    return record is not None and "specversion" in record


def read_rows(file: BufferedReader, context: FileContext) -> Iterator[Row]:
    """Every event of the file."""
    for number, text, record in read_records(file):
        yield row_of(number, [text], partial(_event, text, record, context))


def _event(text: str, record: Record | BadRow, context: FileContext) -> IncomingEvent:
    if isinstance(record, BadRow):
        raise record
    try:
        return event_of(_decode(text.encode()), agency=context.agency)
    except BadQuantity as error:
        raise BadRow("bad_event", "data.quantity", str(error)) from error
    except msgspec.ValidationError as error:
        raise BadRow("bad_event", "", f"{error}.") from error
