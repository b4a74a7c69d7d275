"""A one-line message for each event, with dates in the time zone of its agency. Pure.

Names in braces are fields of the payload. An event without a message here, or without
the fields that its message names, is described by its catalogue entry.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.webhooks.domain.catalogue import CATALOGUE
from core.money import UnknownCurrency, money_text
from core.periods import ZonePeriod, local_date

AMOUNTS = {"amount", "total", "seat_price"}
MONTHS = {"month"}
RESULTS = {
    "declined_hard": "permanently declined",
    "declined_soft": "temporarily declined",
    "failed": "failed",
}
TRANSFERRED_IN = "Seat of {agent} was transferred from another agency on {added_on}."

MESSAGES: Mapping[str, str] = {
    "access.ended": (
        "The {object} that {owner} had set up for {agency} ended: {agency} left its"
        " downline."
    ),
    "account.outbound_suspended": "Outbound calls were suspended: {reason}",
    "account.suspension_lifted": "Outbound calls were allowed again: {reason}",
    "agency.added": (
        "{name} became a customer, billed in {currency}, in time zone {timezone}."
    ),
    "agency.upline_changed": "The upline is {upline} from {on} on.",
    "agency.zone_changed": "The time zone is {timezone} from {starts_on} on.",
    "credit_note.issued": "Credit note {number} for {month} was issued: {total}.",
    "credit_note.voided": "Credit note {number} for {total} was voided: {reason}",
    "dispute.lost": "The dispute of {amount} (payment {reference}) was lost.",
    "dispute.opened": "{amount} is withheld because the payer disputes the payment.",
    "dispute.won": "The dispute of {amount} (payment {reference}) was won.",
    "dunning.ended": "Dunning ended: nothing is past due any more.",
    "dunning.held": "Dunning of {amount} is paused until {next_step_at}. {note}",
    "dunning.lifted": "Dunning no longer suspends calls.",
    "dunning.overdue": (
        "{amount} is overdue. Calls will be suspended on {next_step_at}."
    ),
    "dunning.payment_method_needed": (
        "{number} is not charged again until there is a new payment method. {note}"
    ),
    "dunning.retried": "{number} is being charged again.",
    "dunning.retry_scheduled": "{number} will be charged again on {next_step_at}. {note}",
    "dunning.started": "{number} could not be charged, or is past its due date.",
    "dunning.suspended": "Calls are suspended until {amount} is paid.",
    "invoice.issued": (
        "Invoice {number} for {month} was issued: {total}, due on {due_at}."
    ),
    "invoice.paid": "Invoice {number} was paid in full.",
    "invoice.reopened": "Invoice {number} is owed again.",
    "invoice.voided": "Invoice {number} for {total} was voided: {reason}",
    "payer_shares.changed": "The payers change on {starts_on}. {reason}",
    "payment.attempted": "{amount} is about to be charged through {processor}.",
    "payment.failed": "{amount} could not be charged: {result}. {reason}",
    "payment.received": "{amount} was received through {processor} ({reference}).",
    "payment.refunded": "{amount} was refunded ({reference}): {reason}",
    "payment.reversed": "Payment {reference} of {amount} was reversed: {reason}",
    "payment_method.removed": "Payment method {label} at {processor} was removed.",
    "payment_method.saved": "Payment method {label} at {processor} was saved.",
    "refund.failed": "The refund of {amount} failed at {processor}: {reason}",
    "refund.requested": "A refund of {amount} is requested from {processor}: {reason}",
    "seat.added": "Seat of {agent} was added from {added_on} on.",
    "seat.cancelled": "Seat of {agent} was cancelled: entered by mistake. {reason}",
    "seat.handed_over": "Seat was handed over to {agent} from {held_from} on.",
    "seat.redated": "Seat of {agent} now ends on {removed_on}.",
    "seat.removed": "Seat of {agent} ends on {removed_on}.",
    "seat.reopened": "Seat of {agent} was reopened: its removal was taken back.",
    "seat.transferred": (
        "Seat of {agent} was transferred to another agency on {removed_on}."
    ),
    "usage.forecast_reached": (
        "The budget of {limit} {unit} is expected to be used up on {expected_on}."
    ),
    "usage.threshold_reached": (
        "{threshold}% of the budget is used: {used} of {limit} {unit}."
    ),
}


def event_message(
    kind: str, payload: Mapping[str, Any], zones: Sequence[ZonePeriod]
) -> str:
    """One line about an event; instants are shown as local dates in these zones."""
    fields = {
        name: _text(name, value, payload, zones) for name, value in payload.items()
    }
    try:
        # A transfer is published at both agencies; the new seat is at version 1.
        arrives = kind == "seat.transferred" and payload.get("version") == 1
        template = TRANSFERRED_IN if arrives else MESSAGES[kind]
        line = template.format_map(fields)
    except KeyError:
        entry = CATALOGUE.get(kind)
        return entry.description if entry else kind
    return " ".join(line.split())


def _text(
    name: str, value: Any, payload: Mapping[str, Any], zones: Sequence[ZonePeriod]
) -> str:
    if value in (None, ""):
        return "" if name in {"note", "reason", "label"} else "-"
    if name in AMOUNTS:
        return _money(str(value), str(payload.get("currency", "")))
    if not isinstance(value, str):
        return str(value)
    if name == "result":
        return RESULTS.get(value, value)
    try:
        if name.endswith("_at"):
            return local_date(datetime.fromisoformat(value), zones).isoformat()
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return f"{day:%Y-%m}" if name in MONTHS else day.isoformat()


def _money(amount: str, currency: str) -> str:
    try:
        return f"{money_text(Decimal(amount), currency)} {currency}"
    except (InvalidOperation, UnknownCurrency):
        return amount
