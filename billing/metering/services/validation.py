"""Validation of events against the context of their batch, without queries.

It runs for every event, so it is one pass over the event.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from billing.metering.domain.events import (
    LONGEST_BREAKDOWN,
    LONGEST_NAME,
    IncomingEvent,
    IngestResult,
    content_digest,
    event_key,
    properties_json,
    rejected,
    utc_text,
)
from billing.metering.queries.batch_context import (
    EARLIEST,
    Attribution,
    BatchContext,
    date_of,
)
from core.parsing.values import shown

LONGEST_CALL = 86_400
NAME_RULE = f"1 to {LONGEST_NAME} printable characters"
GREATEST_QUANTITY = Decimal(10) ** 12
SMALLEST_STEP = Decimal("0.000001")
MAX_EXPONENT = 20  # powers of ten that a quantity may have, up and down
NUL = "\\u0000"  # as JSON writes it; PostgreSQL cannot store it
FIRST_INSTANT = datetime(2000, 1, 2, tzinfo=UTC)  # after EARLIEST in every time zone


@dataclass(slots=True)
class CheckedEvent:
    """A valid event, ready to be stored; digests in hex.

    `raw` (a plain decimal in raw units), `occurred_at` (in UTC) and `properties` (JSON)
    are canonical texts, however they were sent.
    """

    event: IncomingEvent
    key: str
    content: str
    attribution: Attribution
    breakdown: str
    used_on: date
    occurred_at: str
    raw: str
    billable: Decimal
    properties: str
    too_old: bool


def check_event(
    event: IncomingEvent, owner: int, context: BatchContext
) -> CheckedEvent | IngestResult:
    """The event ready to be stored, or its rejection."""
    rejection = _check_format(event, context)
    if rejection:
        return rejection
    properties = properties_json(event.properties)
    if NUL in properties:
        message = "The properties contain a NUL character. Remove it."
        return rejected("bad_string", "properties", message)
    attribution = context.attribute(event)
    if isinstance(attribution, IngestResult):
        return attribution
    if event.quantity > LONGEST_CALL and attribution.raw_unit == "second":
        message = (
            f"The quantity is {event.quantity:f} seconds. A call has at most"
            f" {LONGEST_CALL} seconds (24 hours)."
        )
        return rejected("call_too_long", "quantity", message)
    agency = attribution.agency
    used_on = date_of(event.occurred_at, agency.zones)
    quantities = context.quantities(agency.currency, event.meter, used_on)
    if quantities is None:
        message = (
            f"The meter {shown(event.meter)} has no price in {agency.currency} for"
            f" {used_on:%Y-%m}."
        )
        return rejected("not_priced", "meter", message)
    counted = quantities[event.quantity]
    occurred_at = utc_text(event.occurred_at)
    return CheckedEvent(
        event,
        event_key(owner, event.source, event.id),
        content_digest(event, counted.raw, occurred_at, properties),
        attribution,
        event.properties.get("dial_mode", ""),
        used_on,
        occurred_at,
        counted.raw,
        counted.billable,
        properties,
        context.too_old(agency, used_on),
    )


def _check_format(event: IncomingEvent, context: BatchContext) -> IngestResult | None:
    """The rejection of an event that is wrong whatever its codes name."""
    for field, name in (("source", event.source), ("id", event.id)):
        if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
            message = f"The {field} is {shown(name)}. Send {NAME_RULE}."
            return rejected("bad_string", field, message)
    if rejection := _check_quantity(event.quantity):
        return rejection
    if event.occurred_at > context.latest:
        message = (
            f"{event.occurred_at.isoformat()} is in the future. Send an event after it"
            " has happened, and check the clock and the UTC offset of the sender."
        )
        return rejected("in_future", "occurred_at", message)
    if event.occurred_at < FIRST_INSTANT:
        message = f"{event.occurred_at.isoformat()} is before {EARLIEST:%Y-%m-%d}."
        return rejected("too_old", "occurred_at", message)
    return _check_dial_mode(event) or _check_supersedes(event)


def _check_quantity(quantity: Decimal) -> IngestResult | None:
    if not quantity.is_finite() or not 0 <= quantity < GREATEST_QUANTITY:
        message = (
            f"The quantity is {shown(str(quantity))}. Send a number from 0 to less than"
            f" {GREATEST_QUANTITY:f}."
        )
        return rejected("bad_quantity", "quantity", message)
    if abs(quantity.adjusted()) > MAX_EXPONENT or quantity != quantity.quantize(
        SMALLEST_STEP
    ):
        message = (
            f"The quantity is {shown(str(quantity))}. Send at most 6 decimal places."
        )
        return rejected("bad_quantity", "quantity", message)
    return None


def _check_dial_mode(event: IncomingEvent) -> IngestResult | None:
    mode = event.properties.get("dial_mode", "")
    if isinstance(mode, str) and len(mode) <= LONGEST_BREAKDOWN and mode.isprintable():
        return None
    message = (
        f"The dial mode is {shown(str(mode))}. Send text of at most {LONGEST_BREAKDOWN}"
        " printable characters."
    )
    return rejected("bad_string", "properties.dial_mode", message)


def _check_supersedes(event: IncomingEvent) -> IngestResult | None:
    superseded_id = event.supersedes
    if superseded_id is None:
        return None
    if superseded_id == event.id:
        message = (
            f"The event {shown(event.id)} supersedes itself. Give the correction an id of"
            " its own."
        )
        return rejected("bad_string", "supersedes", message)
    if 0 < len(superseded_id) <= LONGEST_NAME and superseded_id.isprintable():
        return None
    message = f"`supersedes` is {shown(superseded_id)}. Send {NAME_RULE}."
    return rejected("bad_string", "supersedes", message)
