"""Reads what was billed in a month, by agency and thing, for many payers at once."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal

from django.db import connection

from billing.invoicing.domain.bill_changes import LATE, SEATS, TAX, BillItem
from core.postgres.arrays import array_text

# Drafts count: their lines are billed for whoever computes the next documents.
BILLED_ITEMS = """
    SELECT document.payer_id, document.month, line.agency_id,
           CASE WHEN line.late THEN %(late)s
                ELSE coalesce(meter.code, %(seats)s) END AS thing,
           sum(CASE WHEN line.late THEN 0 ELSE line.quantity END),
           sum(line.amount), sum(line.tax)
    FROM billing_document AS document
    JOIN billing_documentline AS line ON line.document_id = document.id
    LEFT JOIN billing_meter AS meter ON meter.id = line.meter_id
    WHERE document.payer_id = ANY(%(payers)s::bigint[]) AND document.state <> 'void'
      AND document.month >= %(first)s AND document.month <= %(last)s
    GROUP BY document.payer_id, document.month, line.agency_id, thing
"""


def billed_items(
    payer_ids: Collection[int], *, first: date, last: date
) -> dict[tuple[int, date], list[BillItem]]:
    """The items of the payers' documents, by payer id and month of the document.

    Of the months from `first` to `last`, both included; void documents do not count.
    """
    params: dict[str, str | date] = {
        "payers": array_text(payer_ids), "first": first, "last": last,
        "late": LATE, "seats": SEATS,
    }  # fmt: skip
    items: dict[tuple[int, date], list[BillItem]] = {}
    with connection.cursor() as cursor:
        cursor.execute(BILLED_ITEMS, params)
        for payer, month, agency, thing, quantity, amount, tax in cursor.fetchall():
            of_month = items.setdefault((payer, month), [])
            of_month.append(BillItem(agency, thing, quantity, amount, amount))
            if tax:
                of_month.append(BillItem(agency, TAX, Decimal(0), tax, tax))
    return items
