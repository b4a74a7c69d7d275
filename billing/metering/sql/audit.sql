-- The words of agencies' dial plans.

SELECT audit_table('billing_dialplan', 'agency_id', 'agency_id', '', '{}', '{}',
                   '{changed_by,changed_at}');
