"""A document as values: its columns, and the content that its hash covers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from core.money import plain


@dataclass(frozen=True, slots=True)
class Line:
    """The columns of a DocumentLine that its document's hash covers."""

    agency_id: int
    month: date
    late: bool
    meter: str | None
    price_list: str
    description: str
    raw: Decimal
    billable: Decimal
    quantity: Decimal
    included: Decimal
    unit_price: Decimal | None
    charge: Decimal
    amount_before: Decimal
    amount_now: Decimal
    tax: Decimal

    @property
    def amount(self) -> Decimal:
        return self.amount_now - self.amount_before


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a document that are fixed from its draft on."""

    public_id: str
    payer_id: int
    kind: str
    month: date
    currency: str
    price_list: str
    price_list_hash: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    parties: dict[str, Any]
    cutoffs: dict[str, int]


@dataclass(frozen=True, slots=True)
class Issue:
    """What issuing adds: number, dates, and the previous document's hash."""

    number: int
    issued_at: datetime
    due_at: datetime
    previous_hash: str


def content_of(header: Header, lines: Sequence[Line], issue: Issue) -> dict[str, Any]:
    """Everything that never changes, as JSON values. The state is not part of it."""
    return {
        "id": header.public_id,
        "number": issue.number,
        "kind": header.kind,
        "month": header.month.isoformat(),
        "currency": header.currency,
        "price_list": header.price_list,
        "price_list_hash": header.price_list_hash,
        "subtotal": plain(header.subtotal),
        "tax": plain(header.tax),
        "total": plain(header.total),
        "parties": header.parties,
        "cutoffs": header.cutoffs,
        "issued_at": _utc(issue.issued_at),
        "due_at": _utc(issue.due_at),
        "previous_hash": issue.previous_hash,
        "lines": [_line_content(line) for line in lines],
    }


def _line_content(line: Line) -> dict[str, Any]:
    return {
        "agency": line.agency_id,
        "month": line.month.isoformat(),
        "late": line.late,
        "meter": line.meter,
        "price_list": line.price_list,
        "description": line.description,
        "raw": plain(line.raw),
        "billable": plain(line.billable),
        "quantity": plain(line.quantity),
        "included": plain(line.included),
        "unit_price": None if line.unit_price is None else plain(line.unit_price),
        "charge": plain(line.charge),
        "amount_before": plain(line.amount_before),
        "amount_now": plain(line.amount_now),
        "tax": plain(line.tax),
    }


def _utc(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
