-- Documents and runs: what becomes of them. Lines and content are facts.

SELECT audit_table(
    'billing_document', 'id', 'payer_id', '', '{kind,number,month}', '{}',
    '{parties,cutoffs,hash,previous_hash,price_list_hash,subtotal,tax,run_id}');
SELECT audit_table('billing_billingrun', 'id', 'payer_id', '', '{month}', '{}',
                   '{planned_at,finished_at}');
