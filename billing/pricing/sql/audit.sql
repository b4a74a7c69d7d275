-- Meters and price lists, from the first draft on.

SELECT audit_table('billing_meter', 'id', '', '', '{code}');
SELECT audit_table('billing_pricelist', 'id', '', '', '{code}');
SELECT audit_table('billing_rate', 'id', '', '', '{price_list_id,meter_id}');
SELECT audit_table('billing_ratetier', 'id', '', '', '{rate_id,position}');
