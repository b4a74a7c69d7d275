"""Long SQL statements of receivables."""

from billing.invoicing.domain.numbers import PRINTED_NUMBER

# Payers whose receivable in the ledger is not what their documents leave to pay. Credit notes
# lower what is owed when they are issued, so only money is taken off here.
RECEIVABLE_DIFFERENCES = """
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

# Open attempts that are not over what was owed, or not by a method of the payer. An attempt is
# over all that was owed when it was requested: the total less the first so many allocations,
# which are added one after the other while the payer is locked. At least those count that were
# recorded before it; the minute is for clocks that differ.
ALTERED_ATTEMPTS = """
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

# Everything that changed what a payer owes, in order of time: one branch for each table, with
# the sign of its effect, so that balances are running sums.
MOVEMENTS = f"""
    SELECT * FROM (
        SELECT issued_at AS at, CASE kind WHEN 'invoice' THEN 'invoice'
                   ELSE 'credit_note' END AS kind, public_id, total AS amount,
               {PRINTED_NUMBER} AS label
        FROM billing_document AS document WHERE payer_id = %(payer)s AND state <> 'draft'
        UNION ALL
        SELECT void.recorded_at, 'void', public_id, -total,
               {PRINTED_NUMBER}
        FROM billing_document AS document JOIN LATERAL (
            SELECT recorded_at FROM billing_void
            WHERE document_id = document.id LIMIT 1) AS void ON true
        WHERE payer_id = %(payer)s
        UNION ALL
        SELECT received_at, 'payment', public_id, -amount, processor || ' ' || reference
        FROM billing_payment WHERE payer_id = %(payer)s
        UNION ALL
        SELECT reversed_at, 'reversal', public_id, amount, processor || ' ' || reference
        FROM billing_payment WHERE payer_id = %(payer)s AND reversed_at IS NOT NULL
        UNION ALL
        SELECT refund.refunded_at, 'refund', refund.public_id, refund.amount,
               payment.processor || ' ' || refund.reference
        FROM billing_refund AS refund
        JOIN billing_payment AS payment ON payment.id = refund.payment_id
        WHERE payment.payer_id = %(payer)s
        UNION ALL
        SELECT dispute.closed_at, 'chargeback', dispute.public_id, dispute.amount,
               payment.processor || ' ' || dispute.reference
        FROM billing_dispute AS dispute
        JOIN billing_payment AS payment ON payment.id = dispute.payment_id
        WHERE payment.payer_id = %(payer)s AND dispute.state = 'lost'
    ) AS movement
    ORDER BY at, kind, label
"""
