-- Payers that are spared for a while, by whom and why.

SELECT audit_table('billing_dunninghold', 'id', 'payer_id', '', '{until}');
