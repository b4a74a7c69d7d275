"""What each event says to people, by its payload, in the dates of its agency. Pure.

Names in braces are fields of the payload. What has no words here, or not the fields that
they name, is told by its description in the catalogue.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.money import UnknownCurrency, money_text
from billing.webhooks.catalogue import CATALOGUE
from seats.periods import ZonePeriod, local_date

AMOUNTS = {"amount", "total", "seat_price"}
MONTHS = {"month"}
RESULTS = {
    "declined_hard": "declined for good",
    "declined_soft": "declined for now",
    "failed": "failed",
}
_SEAT = "Seat of {agent}"

WORDS: Mapping[str, str] = {
    "access.ended": "A {object} that {owner} had set up for {agency} ended.",
    "account.outbound_suspended": "Outbound calls suspended: {reason}",
    "account.suspension_lifted": "Outbound calls allowed again: {reason}",
    "agency.added": "{name} became a customer, in {currency}, zone {timezone}.",
    "agency.upline_changed": "Below {upline} from {on} on.",
    "agency.zone_changed": "Time zone {timezone} from {starts_on} on.",
    "credit_note.issued": "Credit note {number} for {month}: {total}.",
    "credit_note.voided": "Credit note {number} over {total} was taken back: {reason}",
    "dispute.lost": "A dispute of {amount} is lost: the money is gone, {reference}.",
    "dispute.opened": "{amount} are withheld: the payer's bank disputes them.",
    "dispute.won": "A dispute of {amount} is won: the money is back, {reference}.",
    "dunning.ended": "Nothing is owed late any more.",
    "dunning.held": "Nothing is done about {amount} before {next_step_at}. {note}",
    "dunning.lifted": "Dunning does not suspend calls any more.",
    "dunning.overdue": "{amount} are overdue. Calls are suspended on {next_step_at}.",
    "dunning.payment_method_needed": (
        "{number} is not charged again without another payment method. {note}"
    ),
    "dunning.retried": "{number} is charged again.",
    "dunning.retry_scheduled": "{number} is charged again on {next_step_at}. {note}",
    "dunning.started": "{number} could not be charged, or is past its due date.",
    "dunning.suspended": "Calls are suspended until {amount} are paid.",
    "invoice.issued": "Invoice {number} for {month}: {total}, due on {due_at}.",
    "invoice.paid": "Invoice {number} is paid.",
    "invoice.reopened": "Invoice {number} is owed again.",
    "invoice.voided": "Invoice {number} over {total} was taken back: {reason}",
    "payer_shares.changed": "Other payers from {starts_on} on. {reason}",
    "payment.attempted": "{amount} are going to be charged through {processor}.",
    "payment.failed": "{amount} could not be charged: {result}. {reason}",
    "payment.received": "{amount} received through {processor}, {reference}.",
    "payment.refunded": "{amount} went back, {reference}: {reason}",
    "payment.reversed": "{amount} recorded as {reference} do not count: {reason}",
    "payment_method.removed": "Payment method taken away: {label} at {processor}.",
    "payment_method.saved": "Payment method saved: {label} at {processor}.",
    "refund.failed": "{processor} did not give {amount} back: {reason}",
    "refund.requested": "{processor} is asked to give {amount} back: {reason}",
    "seat.added": f"{_SEAT} from {{added_on}} on.",
    "seat.cancelled": f"{_SEAT} was entered by mistake and is gone. {{reason}}",
    "seat.handed_over": "Seat handed over to {agent} from {held_from} on.",
    "seat.redated": f"{_SEAT} from {{added_on}} on, not before.",
    "seat.removed": f"{_SEAT} ends on {{removed_on}}.",
    "seat.reopened": f"{_SEAT} goes on.",
    "seat.transferred": f"{_SEAT} leaves for another agency on {{removed_on}}.",
    "usage.forecast_reached": (
        "A budget of {limit} {unit} will be used up on {expected_on}."
    ),
    "usage.threshold_reached": (
        "{threshold} % of a budget are used: {used} of {limit} {unit}."
    ),
}


def words_of(kind: str, payload: Mapping[str, Any], zones: Sequence[ZonePeriod]) -> str:
    """One line about an event; moments as dates of the agency with these zones."""
    told = {name: _said(name, value, payload, zones) for name, value in payload.items()}
    try:
        line = WORDS[kind].format_map(told)
    except KeyError:
        known = CATALOGUE.get(kind)
        return known.description if known else kind
    return line.strip()


def _said(
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
            return _day(local_date(datetime.fromisoformat(value), zones))
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return f"{day:%B %Y}" if name in MONTHS else _day(day)


def _money(amount: str, currency: str) -> str:
    try:
        return f"{money_text(Decimal(amount), currency)} {currency}"
    except (InvalidOperation, UnknownCurrency):
        return amount


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
