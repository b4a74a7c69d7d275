"""Documents and their lines in words, for the pages of members."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.invoicing.models.documents import Document, DocumentLine
from billing.pricing.admin.agency import unit_price
from core.money import money_label, plain


def document_title(document: Document) -> str:
    """Invoice SUNRISE-00003, or Credit note SUNRISE-00004."""
    return f"{document.get_kind_display().capitalize()} {document}"


def is_owed(document: Any) -> bool:
    """Whether something is left to pay of an invoice, which comes with `left_to_pay`."""
    states = {Document.State.OPEN, Document.State.UNCOLLECTIBLE}
    return document.state in states and document.kind == "invoice"


def state_in_words(document: Any, due_at: datetime, *, now: datetime) -> str:
    """The state of a document, which comes with `left_to_pay`, as people say it.

    `due_at` is in the time zone of the payer.
    """
    if document.state == Document.State.VOID:
        return "Void: nothing is owed for it"
    if document.kind == Document.Kind.CORRECTION:
        return "Credit note: lowers what is owed"
    if document.state == Document.State.UNCOLLECTIBLE:
        return "Written off, can still be paid"
    if document.state == Document.State.PAID:
        return "Paid" if document.total else "Nothing to pay"
    if due_at <= now:
        days = max((now - due_at).days, 0)
        late = f" for {days} day{'' if days == 1 else 's'}" if days else ""
        text = f"overdue{late}"
    else:
        text = f"due {due_at:%B} {due_at.day}"
    if document.left_to_pay < document.total:
        return f"Partly paid, {text}"
    return text[0].upper() + text[1:]


def item_name(line: DocumentLine) -> str:
    """What the line is about: seats, or the name of a meter."""
    return line.meter.name if line.meter else "Seats"


def quantity_text(line: DocumentLine) -> str:
    """The quantity with its unit, and how much of it was included."""
    unit = line.meter.billed_unit if line.meter else "seat day"
    text = f"{count_text(line.quantity)} {unit}{'' if line.quantity == 1 else 's'}"
    if line.included:
        text += f", {count_text(line.included)} included"
    return text


def price_text(line: DocumentLine) -> str:
    """The price of a unit with its currency; seats are priced by the month."""
    if line.unit_price is None:
        return "by tier"
    unit = line.meter.billed_unit if line.meter else "seat and month"
    return f"{unit_price(line.unit_price, line.document.currency)} per {unit}"


def count_text(count: Decimal) -> str:
    """A number with thousands separators and without trailing zeros."""
    return f"{Decimal(plain(count)):,}"


def change_text(amount: Decimal, currency: str) -> str:
    """An amount with its sign: +12.00 USD; a minus sign for less; none for 0."""
    sign = "+" if amount > 0 else "\N{MINUS SIGN}" if amount < 0 else ""
    return f"{sign}{money_label(abs(amount), currency)}"
