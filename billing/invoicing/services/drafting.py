"""Stores computed documents as drafts with their lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from billing.accounts.models import BillingAccount
from billing.invoicing.calculation.next_documents import NextDocuments
from billing.invoicing.domain.content import Header, Line
from billing.invoicing.domain.differences import MonthDocument
from billing.invoicing.domain.lines import ZERO, line_of
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.sql import INSERT_DRAFTS
from billing.pricing.domain.rating import PriceListTerms
from billing.pricing.models import Meter, PriceList
from billing.pricing.queries import price_lists_for
from core.postgres.arrays import array_text, text_array
from seats.models import Agency

Kind = Document.Kind


@dataclass(frozen=True, slots=True)
class Draft:
    """A stored draft, with its header and lines."""

    id: int
    header: Header
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document before it is stored, so without ids. Amounts are in `currency`."""

    payer_id: int
    month: date
    currency: str
    price_list_id: int | None
    price_list: str
    price_list_hash: str
    seat_price: Decimal
    parties: dict[str, Any]
    cutoffs: dict[str, int]
    lines: list[Line]


COPY_LINES = """
    COPY billing_documentline (
        document_id, position, payer_id, agency_id, month, late, kind, meter_id,
        price_list_id, description, raw, billable, quantity, included, unit_price,
        charge, amount_before, amount_now, amount, tax) FROM STDIN
"""


def build_documents(
    payers: Sequence[NextDocuments], accounts: Mapping[int, BillingAccount]
) -> list[NewDocument]:
    """The documents of payers, with names and addresses as they are now."""
    agency_ids = {agency for payer in payers for agency in payer.cutoffs}
    agencies = Agency.objects.in_bulk(agency_ids | {payer.payer_id for payer in payers})
    units = {
        code: (name, unit)
        for code, name, unit in Meter.objects.values_list("code", "name", "billed_unit")
    }
    months = {
        month
        for payer in payers
        for document in payer.documents
        for month in (document.month, *(line.key.month for line in document.lines))
    }
    prices = price_lists_for(
        currencies={agency.currency for agency in agencies.values()}, months=months
    )
    return [
        _new_document(payer, document, agencies, accounts, prices, units)
        for payer in payers
        for document in payer.documents
    ]


def _new_document(
    payer: NextDocuments,
    document: MonthDocument,
    agencies: Mapping[int, Agency],
    accounts: Mapping[int, BillingAccount],
    prices: Mapping[tuple[str, date], PriceListTerms],
    units: dict[str, tuple[str, str]],
) -> NewDocument:
    agency, account = agencies[payer.payer_id], accounts[payer.payer_id]
    currency = agency.currency
    price_list = prices.get((currency, document.month))
    named = {line.key.agency_id for line in document.lines}
    return NewDocument(
        payer_id=payer.payer_id,
        month=document.month,
        currency=currency,
        price_list_id=price_list.list_id if price_list else None,
        price_list=price_list.code if price_list else "",
        price_list_hash=price_list.content_hash if price_list else "",
        seat_price=max(
            terms.seat_price
            for (list_currency, _), terms in prices.items()
            if list_currency == currency
        ),
        parties=_parties(agency, account, [agencies[n] for n in sorted(named)]),
        cutoffs={
            str(agency_id): cutoff
            for agency_id, cutoff in sorted(payer.cutoffs.items())
            if agency_id not in document.deferred
        },
        lines=[
            line_of(
                difference,
                late=difference.late,
                prices=prices[currency, difference.key.month],
                units=units,
            )
            for difference in document.lines
        ],
    )


def _parties(
    agency: Agency, account: BillingAccount, named: Sequence[Agency]
) -> dict[str, Any]:
    """The current names and addresses of the payer and of the lines' agencies."""
    return {
        "payer": {
            "code": agency.code,
            "name": account.billing_name or agency.name,
            "address": account.address,
            "email": account.email,
            "tax_id": account.tax_id,
        },
        "agencies": {
            str(line_agency.pk): {"code": line_agency.code, "name": line_agency.name}
            for line_agency in named
        },
    }


def store_drafts(
    documents: Sequence[NewDocument],
    *,
    run_id: int | None,
    review_until: datetime | None,
    now: datetime,
) -> list[Draft]:
    """Insert drafts with one statement and their lines with COPY, in this order."""
    if not documents:
        return []
    totals = [sum((line.amount for line in d.lines), ZERO) for d in documents]
    kinds = [Kind.CORRECTION if total < 0 else Kind.INVOICE for total in totals]
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_DRAFTS,
            {
                "run": run_id,
                "now": now,
                "review_until": review_until,
                "payers": array_text(d.payer_id for d in documents),
                "kinds": array_text(kinds),
                "months": array_text(d.month for d in documents),
                "currencies": array_text(d.currency for d in documents),
                "lists": array_text(d.price_list_id for d in documents),
                "hashes": text_array(d.price_list_hash for d in documents),
                "totals": array_text(totals),
                "parties": _json(d.parties for d in documents),
                "cutoffs": _json(d.cutoffs for d in documents),
            },
        )
        ids = cursor.fetchall()
        drafts = [
            Draft(row[0], _header(document, row[1], str(kind), total), document.lines)
            for document, row, kind, total in zip(
                documents, ids, kinds, totals, strict=True
            )
        ]
        _copy_lines(cursor, drafts)
    return drafts


def _json(values: Iterable[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _header(document: NewDocument, public_id: UUID, kind: str, total: Any) -> Header:
    return Header(
        public_id=str(public_id),
        payer_id=document.payer_id,
        kind=kind,
        month=document.month,
        currency=document.currency,
        price_list=document.price_list,
        price_list_hash=document.price_list_hash,
        subtotal=total,
        tax=ZERO,
        total=total,
        parties=document.parties,
        cutoffs=document.cutoffs,
    )


def _copy_lines(cursor: Any, drafts: Sequence[Draft]) -> None:
    meters = dict(Meter.objects.values_list("code", "pk"))
    lists = _list_ids(drafts)
    rows = (
        _line_row(draft, position, line, meters, lists)
        for draft in drafts
        for position, line in enumerate(draft.lines, start=1)
    )
    with cursor.copy(COPY_LINES) as copy:
        copy.write("".join(rows))


def _line_row(
    draft: Draft,
    position: int,
    line: Line,
    meters: Mapping[str, int],
    lists: Mapping[str, int],
) -> str:
    r"""A row in the text format of COPY; only the description needs escaping."""
    kind, meter = ("usage", meters[line.meter]) if line.meter else ("seat", r"\N")
    unit_price = r"\N" if line.unit_price is None else line.unit_price
    return (
        f"{draft.id}\t{position}\t{draft.header.payer_id}\t{line.agency_id}\t"
        f"{line.month}\t{line.late}\t{kind}\t{meter}\t{lists[line.price_list]}\t"
        f"{_escaped(line.description)}\t{line.raw}\t{line.billable}\t"
        f"{line.quantity}\t{line.included}\t{unit_price}\t{line.charge}\t"
        f"{line.amount_before}\t{line.amount_now}\t{line.amount}\t{line.tax}\n"
    )


def _escaped(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, escaped)
    return text


def _list_ids(drafts: Sequence[Draft]) -> dict[str, int]:
    codes = {line.price_list for draft in drafts for line in draft.lines}
    return dict(PriceList.objects.filter(code__in=codes).values_list("code", "pk"))
