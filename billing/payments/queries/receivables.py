"""What the ledger says payers owe, compared with their documents and what covers them."""

from collections.abc import Collection
from decimal import Decimal

from django.db import connection

from seats.arrays import array_text

# Credit notes lower what is owed when they are issued, so only money is taken off here.
DIFFERENCES = """
    SELECT agency.id, agency.code, posted.amount - (issued.amount - covered.amount)
    FROM seats_agency AS agency
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(total), 0) AS amount FROM billing_document
        WHERE payer_id = agency.id AND status NOT IN ('draft', 'void')) AS issued
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


def receivable_differences(
    payer_ids: Collection[int] | None = None,
) -> list[tuple[int, str, Decimal]]:
    """Payers (None: all) whose receivable in the ledger is not what is left to pay.

    Id, code, and by how much the ledger says more. One statement, so documents, payments
    and postings are of one moment.
    """
    payers = None if payer_ids is None else array_text(payer_ids)
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, {"payers": payers})
        return cursor.fetchall()
