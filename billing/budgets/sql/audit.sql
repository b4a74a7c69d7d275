-- Budgets, and which agency set them.

SELECT audit_table('billing_budget', 'id', 'agency_id', 'owner_id', '{agent_id,meter_id}');
