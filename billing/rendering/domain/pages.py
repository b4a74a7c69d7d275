"""What stands on the pages of an invoice or a credit note. Pure.

Made from what issuing froze, so the same document always has the same pages. The Typst
templates get a page as JSON; all amounts are texts by then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from billing.invoicing.domain.content import Header, Issue, Line
from billing.invoicing.domain.numbers import printed_number
from core.money import money_label, plain, round_money
from core.periods import previous_month

ZERO = Decimal(0)
Kinds = Mapping[str, "MeterText"]


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who sends the document; frozen when it is issued."""

    name: str
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MeterText:
    """The name of a meter, and the unit that is priced."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class HolderDays:
    """The days of a seat month that an agent held, and their part of the charge."""

    agent: str
    days: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What an agent used of a meter in a month, in billed units."""

    agent: str
    meter: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class DocumentPages:
    """Everything that the pages of a document are made from.

    `before` are the lines of the payer's previous document. `issued_on` and `due_on` are
    local dates of the payer. `includes` are by the code of a price list; `holders` and
    `usage` by agency id and month. `check_url` is where the hashes can be checked.
    """

    header: Header
    issue: Issue
    hash: str
    lines: Sequence[Line]
    before: Sequence[Line]
    issuer: Issuer
    issued_on: date
    due_on: date
    meters: Kinds
    pay_url: str = ""
    check_url: str = ""
    includes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    holders: Mapping[tuple[int, date], Sequence[HolderDays]] = field(
        default_factory=dict
    )
    usage: Mapping[tuple[int, date], Sequence[AgentUsage]] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The number as printed."""
        return printed_number(self.header.parties["payer"]["code"], self.issue.number)

    @property
    def is_credit_note(self) -> bool:
        """Whether it lowers what the payer owes."""
        return self.header.total < 0

    def money(self, amount: Decimal) -> str:
        """An amount with the document's currency."""
        return money_label(amount, self.header.currency)

    def agency(self, agency_id: int) -> str:
        """The name and the code of an agency, as issued."""
        agency = self.header.parties["agencies"][str(agency_id)]
        return f"{agency['name']} ({agency['code']})"


def pages_as_json(pages: DocumentPages) -> dict[str, Any]:
    """The pages as values of JSON, in the shape that `typst/invoice.typ` reads."""
    payer = pages.header.parties["payer"]
    day = pages.issued_on
    return {
        "title": "Credit note" if pages.is_credit_note else "Invoice",
        "number": pages.number,
        "issued": {"year": day.year, "month": day.month, "day": day.day},
        "issuer": {"name": pages.issuer.name, "lines": list(pages.issuer.lines)},
        "facts": [
            {"label": "Bill to", "lines": _payer_lines(payer)},
            {"label": "Period", "lines": [f"{pages.header.month:%B %Y}"]},
            {"label": "Issued", "lines": [_day(pages.issued_on)]},
            *(
                []
                if pages.is_credit_note
                else [{"label": "Due", "lines": [_day(pages.due_on)]}]
            ),
        ],
        "headline": _headline(pages),
        "changes": _changes(pages),
        "pay_url": pages.pay_url if pages.header.total > 0 else "",
        "nothing": pages.money(ZERO),
        "sections": [_section(pages, *part) for part in _by_agency(pages.lines)],
        "totals": [
            ["Subtotal", pages.money(pages.header.subtotal)],
            ["Tax", pages.money(pages.header.tax)],
            ["Total", pages.money(pages.header.total)],
        ],
        "statements": _statements(pages),
        "usage": _usage(pages),
        "footer": [
            f"Price list {pages.header.price_list}, SHA-256 {pages.header.price_list_hash}",
            f"This document, SHA-256 {pages.hash}",
            *([f"Check both: {pages.check_url}"] if pages.check_url else []),
        ],
    }


def _payer_lines(payer: Mapping[str, str]) -> list[str]:
    lines = [payer["name"], *payer["address"].splitlines()]
    if payer["tax_id"]:
        lines.append(f"Tax ID {payer['tax_id']}")
    return [line for line in lines if line.strip()]


def _headline(pages: DocumentPages) -> str:
    total = pages.header.total
    if total > 0:
        return f"{pages.money(total)} due {_day(pages.due_on)}"
    return f"{pages.money(-total)} credited" if total else "Nothing to pay"


def _changes(pages: DocumentPages) -> list[str]:
    """In three lines what the total consists of, against the previous document.

    The amounts sum to the subtotal.
    """
    current, before = _parts(pages.lines), _parts(pages.before)
    month = f"{previous_month(pages.header.month):%B}"
    lines = []
    for part, amount in current.items():
        text = f"{part}: {pages.money(amount)}"
        if pages.before and part != EARLIER:
            text += _against(amount - before[part], month, pages)
        lines.append(text)
    return lines


SEATS, USAGE, EARLIER = "Seats", "Calls and messages", "Changes to earlier months"


def _parts(lines: Iterable[Line]) -> dict[str, Decimal]:
    parts = {SEATS: ZERO, USAGE: ZERO, EARLIER: ZERO}
    for line in lines:
        part = EARLIER if line.late else USAGE if line.meter else SEATS
        parts[part] += line.amount
    return parts


def _against(difference: Decimal, month: str, pages: DocumentPages) -> str:
    if not difference:
        return f", the same as in {month}"
    word = "more" if difference > 0 else "less"
    return f", {pages.money(abs(difference))} {word} than in {month}"


def _by_agency(lines: Iterable[Line]) -> list[tuple[int, list[Line]]]:
    parts: dict[int, list[Line]] = {}
    for line in lines:
        parts.setdefault(line.agency_id, []).append(line)
    return list(parts.items())


def _section(
    pages: DocumentPages, agency_id: int, lines: Sequence[Line]
) -> dict[str, Any]:
    regular = [line for line in lines if not line.late]
    seats = next((line for line in regular if line.meter is None), None)
    return {
        "title": pages.agency(agency_id),
        "lines": [_line(pages, line) for line in regular],
        "includes": list(pages.includes.get(seats.price_list, ())) if seats else [],
        "late": [_late(pages, line) for line in lines if line.late],
        "total_label": f"Total of {pages.header.parties['agencies'][str(agency_id)]['name']}",
        "total": pages.money(sum((line.amount for line in lines), ZERO)),
    }


def _line(pages: DocumentPages, line: Line) -> list[str]:
    name, unit = _name(pages, line)
    text = name
    if line.included:
        text += f" ({_quantity(line.included, unit)} included)"
    if line.amount_now != line.charge:
        text += f"; part of {pages.money(line.charge)}"
    price = ""
    if line.unit_price is not None:
        price = _price(line.unit_price, pages.header.currency)
    return [text, _quantity(line.quantity, unit), price, pages.money(line.amount)]


def _late(pages: DocumentPages, line: Line) -> list[str]:
    before, now = pages.money(line.amount_before), pages.money(line.amount_now)
    name, _ = _name(pages, line)
    return [f"{line.month:%B %Y}", name, before, now, pages.money(line.amount)]


def _name(pages: DocumentPages, line: Line) -> tuple[str, str]:
    if line.meter is None:
        return "Seats", "seat day"
    meter = pages.meters[line.meter]
    return meter.name, meter.unit


def _price(price: Decimal, currency: str) -> str:
    """A unit price with at least the places of the currency."""
    rounded = round_money(price, currency)
    if rounded == price:
        return money_label(rounded, currency)
    return f"{plain(price)} {currency}"


def _quantity(quantity: Decimal, unit: str) -> str:
    return f"{Decimal(plain(quantity)):,} {unit}{'' if quantity == 1 else 's'}"


def _statements(pages: DocumentPages) -> list[dict[str, Any]]:
    """Who held the seats of each seat line; the parts sum to the agency's charge."""
    return [
        {
            "title": f"Seats of {pages.agency(agency_id)}, {month:%B %Y}",
            "rows": [
                [row.agent, str(row.days), pages.money(row.amount)] for row in rows
            ],
            "total": [
                "Total",
                f"{sum(row.days for row in rows):,}",
                pages.money(sum((row.amount for row in rows), ZERO)),
            ],
        }
        for (agency_id, month), rows in pages.holders.items()
    ]


def _usage(pages: DocumentPages) -> list[dict[str, Any]]:
    return [
        {
            "title": f"Usage of {pages.agency(agency_id)} by agent, {month:%B %Y}",
            "rows": [
                [
                    row.agent or "No agent",
                    pages.meters[row.meter].name,
                    _quantity(row.quantity, pages.meters[row.meter].unit),
                ]
                for row in rows
            ],
        }
        for (agency_id, month), rows in pages.usage.items()
    ]


def _day(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"
