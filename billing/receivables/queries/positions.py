"""Positions of payers: what is owed on each invoice, and what is not yet allocated."""

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.invoicing.models.documents import Document
from billing.invoicing.queries.left_to_pay import LEFT_TO_PAY, with_left_to_pay
from billing.receivables.domain.allocation import AllocatedAmount, Source, Target
from core.postgres.arrays import array_text

# Oldest first; written-off invoices come after all open ones.
OWED = f"""
    SELECT document.payer_id, document.id, document.state = 'uncollectible',
           {LEFT_TO_PAY}
    FROM billing_document AS document
    WHERE document.payer_id = ANY(%(ids)s::bigint[]) AND document.kind = 'invoice'
      AND document.state IN ('open', 'uncollectible')
    ORDER BY document.state = 'uncollectible', document.number
"""
UNUSED_CREDIT_NOTES = """
    SELECT document.payer_id, document.id,
           -document.total - coalesce((
               SELECT sum(amount) FROM billing_allocation
               WHERE credit_note_id = document.id), 0)
    FROM billing_document AS document
    WHERE document.payer_id = ANY(%(ids)s::bigint[])
      AND document.kind = 'correction' AND document.state = 'open'
    ORDER BY document.number
"""
FREE_PAYMENTS = """
    SELECT payer_id, id, free FROM (
        SELECT payment.payer_id, payment.id, payment.amount - coalesce((
                   SELECT sum(amount) FROM billing_allocation
                   WHERE payment_id = payment.id), 0)
               - coalesce((
                   SELECT sum(amount) FROM billing_refund
                   WHERE payment_id = payment.id), 0)
               - coalesce((
                   SELECT sum(amount) FROM billing_dispute
                   WHERE payment_id = payment.id AND state = 'lost'), 0) AS free
        FROM billing_payment AS payment
        WHERE payment.payer_id = ANY(%(ids)s::bigint[])
          AND payment.reversed_at IS NULL
    ) AS payment
    WHERE free > 0 ORDER BY id
"""
# The latest payment first: it is the first to be deallocated.
COVERED = """
    SELECT payment.payer_id, payment.id, allocation.document_id, sum(allocation.amount)
    FROM billing_allocation AS allocation
    JOIN billing_payment AS payment ON payment.id = allocation.payment_id
    WHERE payment.payer_id = ANY(%(ids)s::bigint[])
    GROUP BY payment.payer_id, payment.id, allocation.document_id
    HAVING sum(allocation.amount) > 0
    ORDER BY payment.id DESC, allocation.document_id DESC
"""


@dataclass(slots=True)
class Position:
    """A payer's unallocated sources and unpaid invoices, both oldest first."""

    sources: list[Source] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AmountDue:
    """An invoice and what is left to pay of it, in its currency."""

    document: Document
    amount: Decimal


def amounts_due(document_ids: Collection[int]) -> dict[int, AmountDue]:
    """What is left to pay, by document id; documents that cannot be paid are left out."""
    rows = Document.objects.filter(
        pk__in=document_ids, kind="invoice", state__in=["open", "uncollectible"]
    )
    documents = with_left_to_pay(rows.select_related("payer"))
    dues = [AmountDue(row, row.left_to_pay) for row in documents]
    return {due.document.pk: due for due in dues if due.amount > 0}


def positions_of(payer_ids: Collection[int]) -> dict[int, Position]:
    """Positions by payer id; payers with no source are left out. At most three queries."""
    positions: dict[int, Position] = {}
    for payer_id, pk, free in _rows(UNUSED_CREDIT_NOTES, payer_ids):
        _position_of(positions, payer_id).sources.append(
            Source("credit_note", pk, free)
        )
    for payer_id, pk, free in _rows(FREE_PAYMENTS, payer_ids):
        _position_of(positions, payer_id).sources.append(Source("payment", pk, free))
    if positions:
        for payer_id, pk, written_off, owed in _rows(OWED, positions):
            positions[payer_id].targets.append(Target(pk, owed, written_off))
    return positions


def allocated_by_payment(
    payer_ids: Collection[int],
) -> dict[int, list[AllocatedAmount]]:
    """What payments of these payers cover, by payer id, the latest payment first."""
    allocated: dict[int, list[AllocatedAmount]] = {}
    for payer_id, payment_id, document_id, amount in _rows(COVERED, payer_ids):
        part = AllocatedAmount(payment_id, document_id, amount)
        allocated.setdefault(payer_id, []).append(part)
    return allocated


def customer_credit(payer_id: int) -> Decimal:
    """The payer's unallocated payments, in its currency."""
    return sum((row[2] for row in _rows(FREE_PAYMENTS, [payer_id])), Decimal(0))


def _position_of(positions: dict[int, Position], payer_id: int) -> Position:
    return positions.setdefault(payer_id, Position())


def _rows(statement: str, payer_ids: Collection[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": array_text(payer_ids)})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
