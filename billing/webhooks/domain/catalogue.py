"""The catalogue of event types, and the fields that are delivered of each. Pure.

The outbox keeps the full payload; what is delivered names objects and amounts, never
people, actors or reasons. Amounts are decimal strings in `currency`. A field is added
under the same version; one that changes its meaning or goes away makes a new version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from billing.webhooks.domain.payment_data import (
    DisputeMoved,
    MethodChanged,
    PaymentAttempted,
    PaymentFailed,
    PaymentReceived,
    PaymentRefunded,
    PaymentReversed,
    PaymentsCompared,
    PaymentUnresolved,
    ProcessorChanged,
    ProcessorEventUnresolved,
    RefundRequested,
    RefundUnresolved,
)

LARGEST_BODY = 20_000  # bytes
Month = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}$")]  # 2026-10
TEST = "webhook_endpoint.test"
PAUSED = "webhook_endpoint.paused"
ENDED = "access.ended"


class AgencyAdded(msgspec.Struct):
    code: str
    currency: str
    timezone: str


class ZoneChanged(msgspec.Struct):
    code: str
    timezone: str
    starts_on: date


class UplineChanged(msgspec.Struct):
    code: str
    upline: str | None
    on: date


class SeatChanged(msgspec.Struct):
    """`agent` is the dialer's own code of the holder; `version` counts the changes.

    `waived_days` are dates on which the seat was used and that this change takes off
    the bill.
    """

    seat: UUID
    version: int
    agent: str
    held_from: date
    added_on: date
    removed_on: date | None
    cancelled: bool
    waived_days: int


class PayersChanged(msgspec.Struct):
    agency: str
    starts_on: date


class PricesPublished(msgspec.Struct):
    code: str
    currency: str
    starts_on: date
    seat_price: str
    hash: str


class DocumentIssued(msgspec.Struct):
    id: UUID
    number: str
    month: Month
    currency: str
    total: str
    due_at: datetime
    hash: str


class DocumentVoided(msgspec.Struct):
    id: UUID
    number: str
    total: str


class StandingChanged(msgspec.Struct):
    agency: str


class DunningChanged(msgspec.Struct):
    """`id` is the case's; `amount` is what the step is about, `number` the oldest invoice's."""

    id: UUID
    agency: str
    state: str
    invoice: UUID
    number: str
    amount: str
    currency: str
    next_step_at: datetime | None


class BudgetReached(msgspec.Struct):
    """`used` and `limit` are in `unit`; `expected_on` is set for a forecast only."""

    budget: UUID
    agency: str
    agent: str | None
    meter: str | None
    month: Month
    threshold: int
    used: str
    limit: str
    unit: str
    hard: bool
    expected_on: date | None = None


class RunFinished(msgspec.Struct):
    id: UUID
    month: Month


class MonthArchived(msgspec.Struct):
    month: Month
    rows: int


class BooksDiffer(msgspec.Struct):
    """`findings` counts new ones, with their `agencies`; `open` all that hold documents."""

    findings: int
    open: int
    agencies: list[str]


class BooksAgree(msgspec.Struct):
    """`resolved` counts the findings that the last pass no longer found."""

    resolved: int


class EndpointTested(msgspec.Struct):
    endpoint: UUID


class AccessEnded(msgspec.Struct):
    """`object` is a webhook_endpoint, budget or payment_page that `owner` had set up."""

    object: str
    id: UUID
    agency: str
    owner: str


class EndpointPaused(msgspec.Struct):
    endpoint: UUID
    state: str
    reason: str
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class EventType:
    """An entry of the catalogue: its description, the shape of `data`, its version."""

    description: str
    data: type[msgspec.Struct]
    version: int = 1


CATALOGUE: Mapping[str, EventType] = {
    "account.outbound_suspended": EventType(
        "The agency's outbound calls were suspended.", StandingChanged
    ),
    "account.suspension_lifted": EventType(
        "The agency may make outbound calls again.", StandingChanged
    ),
    "agency.added": EventType("An agency became a customer.", AgencyAdded),
    "agency.upline_changed": EventType(
        "The agency has another upline from a date on.", UplineChanged
    ),
    "agency.zone_changed": EventType(
        "The agency has another time zone from a month on.", ZoneChanged
    ),
    "books.agree": EventType(
        "No difference found by verification is open any more.", BooksAgree
    ),
    "books.differ": EventType(
        "A verification found differences; documents they affect are not charged.",
        BooksDiffer,
    ),
    "credit_note.issued": EventType("A credit note was issued.", DocumentIssued),
    "credit_note.voided": EventType("A credit note was voided.", DocumentVoided),
    "dispute.lost": EventType(
        "A dispute was lost; the disputed amount is gone, as if refunded.", DisputeMoved
    ),
    "dispute.opened": EventType(
        "A payer disputes a payment; the amount is withheld.", DisputeMoved
    ),
    "dispute.won": EventType(
        "A dispute was won; the disputed amount came back.", DisputeMoved
    ),
    "dunning.ended": EventType(
        "The dunning case ended; nothing is past due any more.", DunningChanged
    ),
    "dunning.held": EventType("Staff paused dunning until a date.", DunningChanged),
    "dunning.lifted": EventType(
        "Dunning no longer suspends calls, although something is still owed.",
        DunningChanged,
    ),
    "dunning.overdue": EventType(
        "Calls will be suspended unless the overdue amount is paid.", DunningChanged
    ),
    "dunning.payment_method_needed": EventType(
        "The payment method is not charged again; a new one is needed.", DunningChanged
    ),
    "dunning.retried": EventType("An invoice is being charged again.", DunningChanged),
    "dunning.retry_scheduled": EventType(
        "An invoice will be charged again.", DunningChanged
    ),
    "dunning.started": EventType(
        "An invoice could not be charged, or is past its due date.", DunningChanged
    ),
    "dunning.suspended": EventType(
        "Calls are suspended until the overdue amount is paid.", DunningChanged
    ),
    "invoice.issued": EventType("An invoice was issued.", DocumentIssued),
    "invoice.paid": EventType("An invoice was paid in full.", DocumentIssued),
    "invoice.reopened": EventType(
        "An invoice is owed again because what had paid it was taken back.",
        DocumentIssued,
    ),
    "invoice.voided": EventType("An invoice was voided.", DocumentVoided),
    "payer_shares.changed": EventType(
        "Who pays for the agency changes on a date.", PayersChanged
    ),
    "payment.attempted": EventType(
        "An invoice is about to be charged.", PaymentAttempted
    ),
    "payment.failed": EventType("An invoice could not be charged.", PaymentFailed),
    "payment.received": EventType("A payment was received.", PaymentReceived),
    "payment.refunded": EventType(
        "A payment was refunded, in full or in part.", PaymentRefunded
    ),
    "payment.reversed": EventType(
        "A bank transfer or check that was recorded by mistake was reversed.",
        PaymentReversed,
    ),
    "payment.unresolved": EventType(
        "The outcome of a charge is still unknown; staff were notified.",
        PaymentUnresolved,
    ),
    "payment_method.removed": EventType(
        "A payment method was removed and is no longer charged.", MethodChanged
    ),
    "payment_method.saved": EventType(
        "A payment method was saved and is charged from now on.", MethodChanged
    ),
    "payments.differ": EventType(
        "A processor's records of a day differ from the ledger.", PaymentsCompared
    ),
    "payments.reconciled": EventType(
        "A processor's records of a day match the ledger.", PaymentsCompared
    ),
    "price_list.published": EventType(
        "A price list was published and can no longer be changed.", PricesPublished
    ),
    "processor.changed": EventType(
        "The URL or the keys of a processor were changed.", ProcessorChanged
    ),
    "processor_event.unresolved": EventType(
        "An event of a processor could not be recorded; staff were notified.",
        ProcessorEventUnresolved,
    ),
    "refund.failed": EventType("A refund failed at the processor.", RefundRequested),
    "refund.requested": EventType(
        "A refund is about to be requested from the processor.", RefundRequested
    ),
    "refund.unresolved": EventType(
        "The outcome of a refund is still unknown; staff were notified.",
        RefundUnresolved,
    ),
    "run.finished": EventType(
        "A billing run finished; the month is billed for all its payers.", RunFinished
    ),
    "seat.added": EventType("A seat was added.", SeatChanged),
    "seat.cancelled": EventType(
        "A seat that was entered by mistake was cancelled.", SeatChanged
    ),
    "seat.handed_over": EventType(
        "A seat has another holder from a date on.", SeatChanged
    ),
    "seat.redated": EventType(
        "The end of a removed seat was moved to another date.", SeatChanged
    ),
    "seat.removed": EventType("A seat was removed from a date on.", SeatChanged),
    "seat.reopened": EventType("The removal of a seat was taken back.", SeatChanged),
    "seat.transferred": EventType(
        "A seat was transferred to another agency.", SeatChanged
    ),
    "usage.forecast_reached": EventType(
        "A budget is expected to reach a threshold this month.", BudgetReached
    ),
    "usage.threshold_reached": EventType(
        "A budget reached a threshold.", BudgetReached
    ),
    "usage_month.archived": EventType(
        "The usage events of a month were moved from the database to a file.",
        MonthArchived,
    ),
    ENDED: EventType(
        "An object that an upline had set up for an agency ended, as the agency left.",
        AccessEnded,
    ),
    PAUSED: EventType(
        "An endpoint was paused after days of failures, or disabled by 410 Gone.",
        EndpointPaused,
    ),
    TEST: EventType("A test event was requested for this endpoint.", EndpointTested),
}


class Delivered(msgspec.Struct):
    """The body of a delivery: the fields of Standard Webhooks, and the event's place."""

    type: str
    timestamp: datetime
    data: msgspec.Struct
    id: UUID
    version: int
    agency: str | None
    sequence: int
    subject: str


def data_of(kind: str, payload: Mapping[str, Any]) -> msgspec.Struct:
    """The delivered fields of an outbox payload.

    Raises KeyError for a type without an entry, msgspec.ValidationError.
    """
    if "month" in payload:  # the payload may name it by its first day
        payload = {**payload, "month": payload["month"][:7]}
    return msgspec.convert(payload, CATALOGUE[kind].data)


def body_of(
    *,
    kind: str,
    payload: Mapping[str, Any],
    at: datetime,
    public_id: UUID,
    agency: str | None,
    sequence: int,
    subject: str,
) -> bytes:
    """The JSON body of an event, the same for every attempt. Raises like `data_of`."""
    return msgspec.json.encode(
        Delivered(
            type=kind,
            timestamp=at,
            data=data_of(kind, payload),
            id=public_id,
            version=CATALOGUE[kind].version,
            agency=agency,
            sequence=sequence,
            subject=subject,
        )
    )
