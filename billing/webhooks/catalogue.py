"""Every event the world can be told, and what is delivered of it. Pure.

The outbox keeps the whole fact; what is delivered names objects and amounts, never
people, actors or reasons. A field is added under the same version; one that changes its
meaning or goes away makes a new version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from billing.webhooks.payment_data import (
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
    """`id` is the case's; `amount` is what the step is about, `number` the oldest."""

    id: UUID
    agency: str
    state: str
    invoice: UUID
    number: str
    amount: str
    currency: str
    next_step_at: datetime | None


class BudgetReached(msgspec.Struct):
    """`used` and `limit` in `unit`; for a forecast with a date."""

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
    """`findings` are new, `open` all that hold documents; the agencies of the new."""

    findings: int
    open: int
    agencies: list[str]


class BooksAgree(msgspec.Struct):
    """`resolved` are the findings that the last pass saw no more."""

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
    """One entry: what happened, and the shape of `data`."""

    description: str
    data: type[msgspec.Struct]
    version: int = 1


CATALOGUE: Mapping[str, EventType] = {
    "account.outbound_suspended": EventType(
        "Its agents may not dial any more.", StandingChanged
    ),
    "account.suspension_lifted": EventType(
        "Its agents may dial again.", StandingChanged
    ),
    "agency.added": EventType("A new customer.", AgencyAdded),
    "agency.upline_changed": EventType("Its upline from a date on.", UplineChanged),
    "agency.zone_changed": EventType("Its time zone from a month on.", ZoneChanged),
    "books.agree": EventType("No difference is open now.", BooksAgree),
    "books.differ": EventType(
        "A verification found differences; what they concern is not charged.",
        BooksDiffer,
    ),
    "credit_note.issued": EventType(
        "A correction in the payer's favor has its number.", DocumentIssued
    ),
    "credit_note.voided": EventType("A credit note was taken back.", DocumentVoided),
    "dispute.lost": EventType(
        "Disputed money of a payment is gone, as if refunded.", DisputeMoved
    ),
    "dispute.opened": EventType(
        "Money of a payment is withheld, as the payer disputes it.", DisputeMoved
    ),
    "dispute.won": EventType("Disputed money came back.", DisputeMoved),
    "dunning.ended": EventType("Nothing is owed late any more.", DunningChanged),
    "dunning.held": EventType("Nothing is done for a while.", DunningChanged),
    "dunning.lifted": EventType(
        "It may dial again, though something is still owed.", DunningChanged
    ),
    "dunning.overdue": EventType(
        "Its calls will be suspended unless it pays.", DunningChanged
    ),
    "dunning.payment_method_needed": EventType(
        "Its payment method is not charged again.", DunningChanged
    ),
    "dunning.retried": EventType("An invoice is charged again.", DunningChanged),
    "dunning.retry_scheduled": EventType(
        "An invoice will be charged again.", DunningChanged
    ),
    "dunning.started": EventType(
        "An invoice could not be charged, or is past its due date.", DunningChanged
    ),
    "dunning.suspended": EventType(
        "Its calls are suspended until it pays.", DunningChanged
    ),
    "invoice.issued": EventType("An invoice has its number.", DocumentIssued),
    "invoice.paid": EventType("Nothing is left to pay of it.", DocumentIssued),
    "invoice.reopened": EventType(
        "What covered it was taken back; it is owed again.", DocumentIssued
    ),
    "invoice.voided": EventType("An invoice was taken back.", DocumentVoided),
    "payer_shares.changed": EventType(
        "Who pays for the agency, from a date on.", PayersChanged
    ),
    "payment.attempted": EventType(
        "An invoice is going to be charged.", PaymentAttempted
    ),
    "payment.failed": EventType("An invoice could not be charged.", PaymentFailed),
    "payment.received": EventType("Money came in.", PaymentReceived),
    "payment.refunded": EventType("Money of a payment went back.", PaymentRefunded),
    "payment.reversed": EventType(
        "A bank transfer or cheque was recorded by mistake; it does not count.",
        PaymentReversed,
    ),
    "payment.unresolved": EventType(
        "A processor has not said what became of a charge; staff look it up.",
        PaymentUnresolved,
    ),
    "payment_method.removed": EventType(
        "The agency is not charged through it any more.", MethodChanged
    ),
    "payment_method.saved": EventType(
        "The agency is charged through it from now on.", MethodChanged
    ),
    "payments.differ": EventType(
        "A processor's list of a day says otherwise than our books.", PaymentsCompared
    ),
    "payments.reconciled": EventType(
        "A processor's list of a day says what our books say.", PaymentsCompared
    ),
    "price_list.published": EventType(
        "A price list nobody can change any more.", PricesPublished
    ),
    "processor.changed": EventType(
        "A processor has another address or other keys.", ProcessorChanged
    ),
    "processor_event.unresolved": EventType(
        "An event of a processor is not in the books; staff look at it.",
        ProcessorEventUnresolved,
    ),
    "refund.failed": EventType(
        "A processor did not give back what it was asked to.", RefundRequested
    ),
    "refund.requested": EventType(
        "A processor is going to be asked to give money back.", RefundRequested
    ),
    "refund.unresolved": EventType(
        "A processor has not said what became of a refund; staff look it up.",
        RefundUnresolved,
    ),
    "run.finished": EventType("A month is billed for all its payers.", RunFinished),
    "seat.added": EventType("A seat begins.", SeatChanged),
    "seat.cancelled": EventType("A seat entered by mistake is gone.", SeatChanged),
    "seat.handed_over": EventType("A seat has another holder.", SeatChanged),
    "seat.redated": EventType("A seat has another first date.", SeatChanged),
    "seat.removed": EventType("A seat ends.", SeatChanged),
    "seat.reopened": EventType("A seat that ended goes on.", SeatChanged),
    "seat.transferred": EventType("A seat leaves for another agency.", SeatChanged),
    "usage.forecast_reached": EventType(
        "A budget is going to reach a threshold this month.", BudgetReached
    ),
    "usage.threshold_reached": EventType(
        "A budget has reached a threshold.", BudgetReached
    ),
    "usage_month.archived": EventType(
        "The events of a month left the database for a file.", MonthArchived
    ),
    ENDED: EventType(
        "What an upline had set up for an agency ended: it no longer reaches it.",
        AccessEnded,
    ),
    PAUSED: EventType("An endpoint failed too long, or is gone.", EndpointPaused),
    TEST: EventType("Somebody asked for a test of this endpoint.", EndpointTested),
}


class Delivered(msgspec.Struct):
    """The body: the fields Standard Webhooks names, and where the event stands."""

    type: str
    timestamp: datetime
    data: msgspec.Struct
    id: UUID
    version: int
    agency: str | None
    sequence: int
    subject: str


def data_of(kind: str, payload: Mapping[str, Any]) -> msgspec.Struct:
    """What is delivered of an outbox payload.

    Raises KeyError for a type without an entry, msgspec.ValidationError.
    """
    if "month" in payload:  # the fact may name it by its first day
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
    """The bytes of an event: the same for every attempt. Raises as data_of."""
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
