"""Events against what is known: one pass, no queries. It runs for every call."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from billing.metering.events import (
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
from billing.metering.known import EARLIEST, Attribution, BatchContext, date_of

LONGEST_CALL = 86_400
NAME_RULE = f"1 to {LONGEST_NAME} printable characters."
GREATEST_QUANTITY = Decimal(10) ** 12
SMALLEST_STEP = Decimal("0.000001")
DEEPEST = 20  # orders of magnitude that a quantity may have, up and down
NUL = "\\u0000"  # as JSON spells it; the database cannot store it
FIRST_INSTANT = datetime(2000, 1, 2, tzinfo=UTC)  # it is later than that anywhere


@dataclass(slots=True)
class CheckedEvent:
    """A good event, ready to be stored; digests in hex.

    `raw` and `occurred_at` are texts in one spelling, whichever they came in.
    """

    event: IncomingEvent
    key: str
    content: str
    place: Attribution
    breakdown: str
    used_on: date
    occurred_at: str
    raw: str
    billable: Decimal
    properties: str
    too_old: bool


def check_event(
    event: IncomingEvent, owner: int, known: BatchContext
) -> CheckedEvent | IngestResult:
    """A stored event to be, or why it is refused."""
    problem = _problem_of_form(event, known)
    if problem:
        return problem
    properties = properties_json(event.properties)
    if NUL in properties:
        return rejected("bad_text", "properties", "No NUL characters.")
    place = known.place(event)
    if isinstance(place, IngestResult):
        return place
    if event.quantity > LONGEST_CALL and place.raw_unit == "second":
        return rejected("too_long", "quantity", "A call lasts 24 hours at most.")
    agency = place.agency
    used_on = date_of(event.occurred_at, agency.zones)
    quantities = known.quantities(agency.currency, event.meter, used_on)
    if quantities is None:
        message = f"{event.meter} has no price in {used_on:%B %Y}."
        return rejected("not_priced", "meter", message)
    counted = quantities[event.quantity]
    occurred_at = utc_text(event.occurred_at)
    return CheckedEvent(
        event,
        event_key(owner, event.source, event.id),
        content_digest(event, counted.raw, occurred_at, properties),
        place,
        event.properties.get("dial_mode", ""),
        used_on,
        occurred_at,
        counted.raw,
        counted.billable,
        properties,
        known.too_old(agency, used_on),
    )


def _problem_of_form(event: IncomingEvent, known: BatchContext) -> IngestResult | None:
    """What can be said of an event without knowing what its names stand for."""
    if not (0 < len(event.source) <= LONGEST_NAME and event.source.isprintable()):
        return rejected("bad_text", "source", NAME_RULE)
    if not (0 < len(event.id) <= LONGEST_NAME and event.id.isprintable()):
        return rejected("bad_text", "id", NAME_RULE)
    quantity = event.quantity
    if not quantity.is_finite() or not 0 <= quantity < GREATEST_QUANTITY:
        return rejected("bad_quantity", "quantity", "A quantity is 0 or above.")
    if abs(quantity.adjusted()) > DEEPEST or quantity != quantity.quantize(
        SMALLEST_STEP
    ):
        return rejected("bad_quantity", "quantity", "At most 6 decimal places.")
    if event.occurred_at > known.latest:
        return rejected("in_future", "occurred_at", "The time is still to come.")
    if event.occurred_at < FIRST_INSTANT:
        return rejected("too_old", "occurred_at", f"Before {EARLIEST:%Y-%m-%d}.")
    return _problem_of_mode(event) or _problem_of_supersedes(event)


def _problem_of_mode(event: IncomingEvent) -> IngestResult | None:
    mode = event.properties.get("dial_mode", "")
    if isinstance(mode, str) and len(mode) <= LONGEST_BREAKDOWN and mode.isprintable():
        return None
    message = f"At most {LONGEST_BREAKDOWN} printable characters."
    return rejected("bad_text", "properties.dial_mode", message)


def _problem_of_supersedes(event: IncomingEvent) -> IngestResult | None:
    other = event.supersedes
    if other is None:
        return None
    if 0 < len(other) <= LONGEST_NAME and other.isprintable() and other != event.id:
        return None
    return rejected("bad_text", "supersedes", f"Another event's id: {NAME_RULE}")
