"""CloudEvents 1.0 in JSON: one a line, one after another, or a batch. Pure.

`type` is the meter, `subject` the agent, `time` when it happened; the extensions
`agency` and `supersedes` name the agency, and the id of an event of the same source that
this one replaces; `data` holds the quantity and the properties.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from io import BufferedReader
from typing import Annotated, Any, Literal

import msgspec

from billing.metering.events import IncomingEvent
from billing.metering.formats.json_records import Record, read_records
from billing.metering.formats.rows import BadRow, FileContext, Row, row_of
from billing.metering.quantities import BadQuantity, Quantity, quantity_of

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class CloudData(msgspec.Struct, forbid_unknown_fields=True):
    """What a usage event says in a CloudEvent's `data`."""

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


def event_of(told: CloudEvent, *, agency: str) -> IncomingEvent:
    """The usage event in a CloudEvent; `agency` is for those without one.

    Raises BadQuantity.
    """
    return IncomingEvent(
        source=told.source,
        id=told.id,
        agency=told.agency or agency,
        agent=told.subject,
        meter=told.type,
        quantity=quantity_of(told.data.quantity),
        occurred_at=told.time,
        properties=told.data.properties,
        supersedes=told.supersedes,
    )


def recognizes(record: Record | None) -> bool:
    """Whether a record says which version of CloudEvents it has."""
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
        raise BadRow("bad_event", "", str(error)) from error
