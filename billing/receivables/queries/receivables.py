"""The ledger's receivable and open attempts, compared with documents and allocations."""

from collections.abc import Collection, Iterator
from decimal import Decimal

from django.db import connection

from billing.invoicing.verification.findings import (
    Finding,
    about_document,
    about_payer,
)
from billing.receivables.queries.sql import ALTERED_ATTEMPTS, RECEIVABLE_DIFFERENCES
from core.money import plain
from core.postgres.arrays import array_text


def _differences(
    payer_ids: Collection[int] | None = None,
) -> list[tuple[int, str, str, Decimal]]:
    """Payers (None: all) whose ledger receivable is not what is left to pay.

    Rows are id, code, currency, and the ledger's amount minus what is left to pay. One statement,
    so that documents, allocations and postings are of one moment.
    """
    payers = None if payer_ids is None else array_text(payer_ids)
    with connection.cursor() as cursor:
        cursor.execute(RECEIVABLE_DIFFERENCES, {"payers": payers})
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
        cursor.execute(ALTERED_ATTEMPTS, {"documents": documents})
        rows = cursor.fetchall()
    for public_id, amount, currency, document_id, payer_id in rows:
        message = (
            f"is over {plain(amount)} {currency}; its invoice, what covers it, or its"
            " payment method says otherwise"
        )
        about = about_document(document_id, payer_id)
        yield Finding("attempt_differs", f"attempt {public_id}", message, about)
