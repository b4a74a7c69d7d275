-- Members see the changes at agencies whose activity they may look at, of what nobody out
-- of their reach has set up, and of the kinds of rows that they see there. Which columns
-- they read, the page says.

ALTER TABLE seats_auditentry ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_auditentry;
CREATE POLICY within_reach ON seats_auditentry FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('activity')))
           AND (owner_id IS NULL OR owner_id IN (SELECT unnest(reach('activity'))))
           AND CASE
               WHEN table_name = 'billing_budget'
                   THEN agency_id IN (SELECT unnest(reach('budgets')))
               WHEN table_name IN ('billing_webhookendpoint', 'seats_apikey')
                   THEN agency_id IN (SELECT unnest(reach('integrations')))
               WHEN table_name = 'billing_dialplan'
                   THEN agency_id IN (SELECT unnest(reach('imports')))
               WHEN table_name LIKE 'billing\_%'
                   THEN agency_id IN (SELECT unnest(reach('money')))
               WHEN table_name LIKE 'seats\_support%'
                    OR table_name IN ('seats_member', 'seats_invitation')
                   THEN agency_id IN (SELECT unnest(reach('members')))
               ELSE true
           END);
GRANT SELECT ON seats_auditentry TO :"member_role";
