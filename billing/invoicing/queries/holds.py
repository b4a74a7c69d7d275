"""Which documents must not be collected, because of an open verification finding."""

from collections.abc import Collection

from django.db import connection

from billing.invoicing.queries.sql import ON_HOLD
from core.postgres.arrays import array_text

AMONG = f"""
    SELECT document.id FROM billing_document AS document
    WHERE document.id = ANY(%s::bigint[]) AND {ON_HOLD.format(document="document")}
"""
INVOICES = f"""
    SELECT document.id FROM billing_document AS document
    WHERE document.kind = 'invoice' AND document.state IN ('open', 'uncollectible')
      AND {ON_HOLD.format(document="document")}
    ORDER BY document.id
"""


def documents_on_hold(document_ids: Collection[int]) -> set[int]:
    """The documents among these to which an open finding applies, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(AMONG, [array_text(document_ids)])
        return {document_id for (document_id,) in cursor.fetchall()}


def invoices_on_hold() -> list[int]:
    """Every unpaid invoice that must not be collected, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(INVOICES)
        return [document_id for (document_id,) in cursor.fetchall()]
