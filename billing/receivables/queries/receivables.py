"""The ledger's receivable and open attempts, compared with documents and allocations."""

from collections.abc import Collection, Iterator
from decimal import Decimal

from django.db import connection

from billing.invoicing.verification.findings import (
    Finding,
    about_document,
    about_payer,
)
from core.money import plain
from core.postgres.arrays import array_text

# Credit notes lower what is owed when they are issued, so only money is taken off here.
DIFFERENCES = """
    SELECT agency.id, agency.code, agency.currency,
           posted.amount - (issued.amount - covered.amount)
    FROM seats_agency AS agency
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(total), 0) AS amount FROM billing_document
        WHERE payer_id = agency.id AND state NOT IN ('draft', 'void')) AS issued
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(allocation.amount), 0) AS amount
        FROM billing_allocation AS allocation
        JOIN billing_payment AS payment ON payment.id = allocation.payment_id
        WHERE payment.payer_id = agency.id) AS covered
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(entry.amount), 0) AS amount
        FROM billing_ledgertransaction AS posting
        JOIN billing_ledgerentry AS entry ON entry.transaction_id = posting.id
        WHERE posting.payer_id = agency.id AND entry.account = 'receivable') AS posted
    WHERE (%(payers)s::bigint[] IS NULL OR agency.id = ANY(%(payers)s::bigint[]))
      AND posted.amount <> issued.amount - covered.amount
    ORDER BY agency.id
"""
# An attempt is over all that was owed when it was requested: the total less the first so
# many allocations, which are added one after the other while the payer is locked. At
# least those count that were recorded before it; the minute is for clocks that differ.
ALTERED = """
    SELECT attempt.public_id, attempt.amount, attempt.currency, document.id,
           document.payer_id
    FROM billing_paymentattempt AS attempt
    JOIN billing_document AS document ON document.id = attempt.invoice_id
    LEFT JOIN billing_paymentmethod AS method ON method.id = attempt.method_id
    WHERE attempt.state IN ('created', 'sent', 'pending', 'unknown')
      AND (%(documents)s::bigint[] IS NULL
           OR document.id = ANY(%(documents)s::bigint[]))
      AND (attempt.currency <> document.currency
           OR method.payer_id <> document.payer_id
           OR method.processor_id <> attempt.processor_id
           OR NOT EXISTS (
               SELECT FROM (
                   SELECT 0 AS id, 0 AS amount UNION ALL
                   SELECT id, sum(amount) OVER (ORDER BY id) FROM billing_allocation
                   WHERE document_id = document.id) AS covered
               WHERE attempt.amount = document.total - covered.amount
                 AND covered.id >= coalesce((
                     SELECT max(id) FROM billing_allocation
                     WHERE document_id = document.id AND recorded_at
                         < attempt.requested_at - interval '1 minute'), 0)))
    ORDER BY attempt.id
"""


def _differences(
    payer_ids: Collection[int] | None = None,
) -> list[tuple[int, str, str, Decimal]]:
    """Payers (None: all) whose ledger receivable is not what is left to pay.

    Rows are id, code, currency, and the ledger's amount minus what is left to pay. One statement,
    so that documents, allocations and postings are of one moment.
    """
    payers = None if payer_ids is None else array_text(payer_ids)
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, {"payers": payers})
        rows: list[tuple[int, str, str, Decimal]] = cursor.fetchall()
        return rows


def check_receivables(payer_ids: Collection[int] | None = None) -> Iterator[Finding]:
    """Find payers (None: all) whose ledger receivable differs from what is left to pay.

    One statement, so that charges can check too: altered allocations would otherwise
    charge more than is owed.
    """
    for payer_id, code, currency, difference in _differences(payer_ids):
        direction = "more" if difference > 0 else "less"
        message = (
            f"the ledger's receivable is {plain(abs(difference))} {currency}"
            f" {direction} than the documents less their allocations"
        )
        yield Finding("receivable_differs", code, message, about_payer(payer_id))


def check_attempts(document_ids: Collection[int] | None = None) -> Iterator[Finding]:
    """Open attempts over another amount than was owed, or by another payer's method.

    Of these documents; None: of all. Charges ask too, before they are sent.
    """
    documents = None if document_ids is None else array_text(document_ids)
    with connection.cursor() as cursor:
        cursor.execute(ALTERED, {"documents": documents})
        rows = cursor.fetchall()
    for public_id, amount, currency, document_id, payer_id in rows:
        message = (
            f"is over {plain(amount)} {currency}; its invoice, what covers it, or its"
            " payment method says otherwise"
        )
        about = about_document(document_id, payer_id)
        yield Finding("attempt_differs", f"attempt {public_id}", message, about)
