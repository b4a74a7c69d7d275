"""Where payers stand: what is owed on each invoice, and what money is free."""

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.invoicing.models import Document
from billing.invoicing.queries.left_to_pay import LEFT_TO_PAY, with_left_to_pay
from billing.payments.allocation import Covering, Source, Target
from seats.arrays import array_text

# Oldest first; what is written off comes after all that is open.
OWED = f"""
    SELECT document.payer_id, document.id, document.status = 'uncollectible',
           {LEFT_TO_PAY}
    FROM billing_document AS document
    WHERE document.payer_id = ANY(%(ids)s::bigint[]) AND document.kind = 'invoice'
      AND document.status IN ('open', 'uncollectible')
    ORDER BY document.status = 'uncollectible', document.number
"""
UNUSED_CREDIT_NOTES = """
    SELECT document.payer_id, document.id,
           -document.total - coalesce((
               SELECT sum(amount) FROM billing_allocation
               WHERE credit_note_id = document.id), 0)
    FROM billing_document AS document
    WHERE document.payer_id = ANY(%(ids)s::bigint[])
      AND document.kind = 'correction' AND document.status = 'open'
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
# The latest money first: it is the first to be given back.
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
    """What a payer owes by invoice, and has to give by source, oldest first."""

    sources: list[Source] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Owed:
    """An invoice, and what is left to pay of it."""

    document: Document
    amount: Decimal


def owed_on(document_ids: Collection[int]) -> dict[int, Owed]:
    """What is left to pay, by document; where nothing is, or nothing can be, left out."""
    rows = Document.objects.filter(
        pk__in=document_ids, kind="invoice", status__in=["open", "uncollectible"]
    )
    documents = with_left_to_pay(rows.select_related("payer"))
    left = {row.pk: Owed(row, row.left_to_pay) for row in documents}
    return {pk: owed for pk, owed in left.items() if owed.amount > 0}


def positions_of(payer_ids: Collection[int]) -> dict[int, Position]:
    """By payer; those that have nothing to give are left out. Three queries at most."""
    found: dict[int, Position] = {}
    for payer_id, pk, free in _rows(UNUSED_CREDIT_NOTES, payer_ids):
        _at(found, payer_id).sources.append(Source("credit_note", pk, free))
    for payer_id, pk, free in _rows(FREE_PAYMENTS, payer_ids):
        _at(found, payer_id).sources.append(Source("payment", pk, free))
    if found:
        for payer_id, pk, written_off, owed in _rows(OWED, found):
            found[payer_id].targets.append(Target(pk, owed, written_off))
    return found


def covered_by_payments(payer_ids: Collection[int]) -> dict[int, list[Covering]]:
    """What payments of these payers cover, by payer, the latest payment first."""
    found: dict[int, list[Covering]] = {}
    for payer_id, payment_id, document_id, amount in _rows(COVERED, payer_ids):
        found.setdefault(payer_id, []).append(Covering(payment_id, document_id, amount))
    return found


def customer_credit(payer_id: int) -> Decimal:
    """The payer's money that covers nothing yet."""
    return sum((row[2] for row in _rows(FREE_PAYMENTS, [payer_id])), Decimal(0))


def _at(found: dict[int, Position], payer_id: int) -> Position:
    return found.setdefault(payer_id, Position())


def _rows(statement: str, payer_ids: Collection[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": array_text(payer_ids)})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
