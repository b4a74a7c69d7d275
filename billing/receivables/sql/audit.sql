-- Payments, when they are recorded and when they are reversed, and refunds.

SELECT audit_table('billing_payment', 'id', 'payer_id', '', '{amount}');
SELECT audit_table('billing_refund', 'id', '', '', '{amount}');
