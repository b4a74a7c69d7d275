-- Billing details, suspensions, and who pays for whom.
--
-- Numbers and hashes of documents go on by themselves.

SELECT audit_table('billing_billingaccount', 'payer_id', 'payer_id', '', '{billing_name}',
                   '{}', '{next_number,last_hash}');
SELECT audit_table('billing_accountstanding', 'id', 'agency_id', '', '{cause}');
SELECT audit_table('billing_payershareset', 'id', 'agency_id', '', '{starts_on}', '{}',
                   '{cutoff,recorded_at}');
SELECT audit_table('billing_payershare', 'id', '', '', '{payer_id}');
