"""Posting to the ledger: one SQL statement for any number of facts of a kind.

Debits are positive, credits negative. A fact can be posted once only: the database
refuses a second posting.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from core.postgres.arrays import array_text

POST = """
    WITH sides AS (
        SELECT fact.id, fact.payer_id, fact.currency, side.account, side.processor,
               side.amount * %(sign)s AS amount
        FROM ({facts}) AS fact CROSS JOIN LATERAL (VALUES {sides})
            AS side(account, processor, amount)
        WHERE side.amount <> 0
    ), made AS (
        INSERT INTO billing_ledgertransaction
            (payer_id, kind, fact_id, currency, recorded_at)
        SELECT DISTINCT ON (id) payer_id, %(kind)s, id, currency, %(now)s::timestamptz
        FROM sides ORDER BY id
        RETURNING id, fact_id
    )
    INSERT INTO billing_ledgerentry (transaction_id, account, processor, amount)
    SELECT made.id, sides.account, sides.processor, sides.amount
    FROM made JOIN sides ON sides.id = made.fact_id
"""
DOCUMENTS = POST.format(
    facts="""
        SELECT document.id, document.payer_id, document.currency, document.total,
               document.tax, line.seats, line.usage
        FROM billing_document AS document CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount) FILTER (WHERE kind = 'seat'), 0) AS seats,
                   coalesce(sum(amount) FILTER (WHERE kind = 'usage'), 0) AS usage
            FROM billing_documentline WHERE document_id = document.id) AS line
        WHERE document.id = ANY(%(ids)s::bigint[])
    """,
    sides="""
        ('receivable', '', fact.total), ('revenue_seats', '', -fact.seats),
        ('revenue_usage', '', -fact.usage), ('tax_payable', '', -fact.tax)
    """,
)
PAYMENTS = POST.format(
    facts="""
        SELECT id, payer_id, currency, processor, amount FROM billing_payment
        WHERE id = ANY(%(ids)s::bigint[])
    """,
    sides="""
        ('cash', fact.processor, fact.amount), ('customer_credit', '', -fact.amount)
    """,
)
ALLOCATIONS = POST.format(
    facts="""
        SELECT allocation.id, payment.payer_id, payment.currency, allocation.amount
        FROM billing_allocation AS allocation
        JOIN billing_payment AS payment ON payment.id = allocation.payment_id
        WHERE allocation.id = ANY(%(ids)s::bigint[])
    """,
    sides="""
        ('customer_credit', '', fact.amount), ('receivable', '', -fact.amount)
    """,
)
REFUNDS = POST.format(
    facts="""
        SELECT refund.id, payment.payer_id, payment.currency, payment.processor,
               refund.amount
        FROM billing_refund AS refund
        JOIN billing_payment AS payment ON payment.id = refund.payment_id
        WHERE refund.id = ANY(%(ids)s::bigint[])
    """,
    sides="""
        ('cash', fact.processor, -fact.amount), ('customer_credit', '', fact.amount)
    """,
)
DISPUTES = """
        SELECT dispute.id, payment.payer_id, payment.currency, payment.processor,
               dispute.amount
        FROM billing_dispute AS dispute
        JOIN billing_payment AS payment ON payment.id = dispute.payment_id
        WHERE dispute.id = ANY(%(ids)s::bigint[])
"""
WITHHELD = POST.format(
    facts=DISPUTES,
    sides="""
        ('disputed', '', fact.amount), ('cash', fact.processor, -fact.amount)
    """,
)
LOST = POST.format(
    facts=DISPUTES,
    sides="""
        ('customer_credit', '', fact.amount), ('disputed', '', -fact.amount)
    """,
)


def post_issued(document_ids: Sequence[int], *, now: datetime) -> None:
    """Post documents to receivable, revenue and tax; amounts of 0 post nothing."""
    _post(DOCUMENTS, "issued", document_ids, now)


def post_voided(document_ids: Sequence[int], *, now: datetime) -> None:
    """Post voided documents: the amounts of their issue with the opposite sign."""
    _post(DOCUMENTS, "voided", document_ids, now, sign=-1)


def post_payments(payment_ids: Sequence[int], *, now: datetime) -> None:
    """Post payments: cash at the processor, and credit of the customer."""
    _post(PAYMENTS, "payment", payment_ids, now)


def post_allocations(allocation_ids: Sequence[int], *, now: datetime) -> None:
    """Post allocations of payments; credit notes moved the receivable when issued."""
    _post(ALLOCATIONS, "allocation", allocation_ids, now)


def post_refunds(refund_ids: Sequence[int], *, now: datetime) -> None:
    """Post refunds: cash leaves the processor, and the customer's credit is used."""
    _post(REFUNDS, "refund", refund_ids, now)


def post_reversals(payment_ids: Sequence[int], *, now: datetime) -> None:
    """Post reversed payments: their amounts with the opposite sign."""
    _post(PAYMENTS, "reversal", payment_ids, now, sign=-1)


def post_disputes(change: str, dispute_ids: Sequence[int], *, now: datetime) -> None:
    """Post disputes whose money is withheld (`opened`), returned (`won`) or `lost`."""
    statement = LOST if change == "lost" else WITHHELD
    sign = -1 if change == "won" else 1
    _post(statement, f"dispute_{change}", dispute_ids, now, sign=sign)


def _post(
    statement: str, kind: str, ids: Sequence[int], now: datetime, *, sign: int = 1
) -> None:
    params: dict[str, Any] = {
        "ids": array_text(ids),
        "kind": kind,
        "now": now,
        "sign": sign,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
