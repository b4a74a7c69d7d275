-- Saved payment methods, without what a processor charges them by.

SELECT audit_table('billing_paymentmethod', 'id', 'payer_id', '', '{label}',
                   '{customer,reference}');

-- Refunds that a second person decides about.

SELECT audit_table('billing_refundapproval', 'id', '', '', '{reference}');
