"""Post the documents that were issued before there was a ledger.

In a migration of its own: a table cannot be altered while rows of it wait to be checked.
"""

from django.db import migrations

# Documents issued before there was a ledger are posted as they would have been.
BACKFILL = """
    WITH sides AS (
        SELECT document.id, document.payer_id, document.currency, fact.kind, fact.at,
               side.account, side.amount * fact.sign AS amount
        FROM billing_document AS document
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount) FILTER (WHERE kind = 'seat'), 0) AS seats,
                   coalesce(sum(amount) FILTER (WHERE kind = 'usage'), 0) AS usage
            FROM billing_documentline WHERE document_id = document.id) AS line
        CROSS JOIN LATERAL (
            SELECT 'issued' AS kind, document.issued_at AS at, 1 AS sign
            WHERE document.status <> 'draft'
            UNION ALL
            SELECT 'voided', min(recorded_at), -1 FROM billing_void
            WHERE document_id = document.id HAVING count(*) > 0) AS fact
        CROSS JOIN LATERAL (VALUES
            ('receivable', document.total), ('revenue_seats', -line.seats),
            ('revenue_usage', -line.usage), ('tax_payable', -document.tax)
        ) AS side(account, amount)
        WHERE side.amount <> 0
    ), made AS (
        INSERT INTO billing_ledgertransaction
            (payer_id, kind, fact_id, currency, recorded_at)
        SELECT DISTINCT payer_id, kind, id, currency, at FROM sides ORDER BY at, id
        RETURNING id, kind, fact_id
    )
    INSERT INTO billing_ledgerentry (transaction_id, account, processor, amount)
    SELECT made.id, sides.account, '', sides.amount
    FROM made JOIN sides ON sides.id = made.fact_id AND sides.kind = made.kind
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_attempts")]

    operations = [migrations.RunSQL(BACKFILL, migrations.RunSQL.noop)]
