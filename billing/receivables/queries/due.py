"""Reads what payers have to pay: invoices that are open, and sums of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing.invoicing.models.documents import Document
from billing.invoicing.queries.left_to_pay import LEFT_TO_PAY, with_left_to_pay
from billing.receivables.queries.positions import AmountDue
from core.postgres.arrays import array_text

DUE_SUMS = f"""
    SELECT payer_id, sum(owed), coalesce(sum(owed) FILTER (WHERE due_at <= %(now)s), 0)
    FROM (
        SELECT document.payer_id, document.due_at, {LEFT_TO_PAY} AS owed
        FROM billing_document AS document
        WHERE document.payer_id = ANY(%(payers)s::bigint[])
          AND document.kind = 'invoice' AND document.state = 'open'
    ) AS invoice
    GROUP BY payer_id
"""


@dataclass(frozen=True, slots=True)
class PayerDue:
    """What a payer has left to pay of open invoices, and how much of it is overdue."""

    left: Decimal
    overdue: Decimal


def due_by_payer(payer_ids: Collection[int], *, now: datetime) -> dict[int, PayerDue]:
    """What is due, by payer id; payers without open invoices are left out. One query."""
    with connection.cursor() as cursor:
        cursor.execute(DUE_SUMS, {"payers": array_text(payer_ids), "now": now})
        return {payer: PayerDue(*sums) for payer, *sums in cursor.fetchall()}


def open_invoices(payer_ids: Collection[int], *, most: int) -> list[AmountDue]:
    """The open invoices of payers, the longest due first, with what is left to pay."""
    rows = Document.objects.filter(
        payer__in=payer_ids, kind=Document.Kind.INVOICE, state=Document.State.OPEN
    )
    documents = with_left_to_pay(rows.select_related("payer"))
    return [
        AmountDue(document, document.left_to_pay)
        for document in documents.order_by("due_at", "pk")[:most]
    ]
