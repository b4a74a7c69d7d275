"""Which documents must not be collected, because of an open verification finding."""

from collections.abc import Collection

from django.db import connection

from core.postgres.arrays import array_text

# Whether an open finding applies to the document with this alias. A finding about an
# agency applies to documents with lines of it, and to those computed from its facts.
ON_HOLD = """
    EXISTS (
        SELECT FROM billing_verificationfinding AS finding
        WHERE finding.resolved_at IS NULL AND finding.accepted_at IS NULL
          AND CASE finding.scope
              WHEN 'document' THEN finding.document_id = {document}.id
              WHEN 'payer' THEN finding.agency_id = {document}.payer_id
              WHEN 'price_list' THEN
                  finding.price_list_id = {document}.price_list_id
                  OR EXISTS (
                      SELECT FROM billing_documentline AS line
                      WHERE line.document_id = {document}.id
                        AND line.price_list_id = finding.price_list_id)
              WHEN 'agency' THEN
                  (finding.month IS NULL OR finding.month = {document}.month)
                  AND (finding.agency_id = {document}.payer_id OR jsonb_exists(
                      {document}.cutoffs, finding.agency_id::text))
                  OR EXISTS (
                      SELECT FROM billing_documentline AS line
                      WHERE line.document_id = {document}.id
                        AND line.agency_id = finding.agency_id
                        AND (finding.month IS NULL OR line.month = finding.month))
              ELSE false END)
"""
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
