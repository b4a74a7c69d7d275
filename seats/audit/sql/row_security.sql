-- Members see the changes at agencies whose activity they may look at, of what nobody out
-- of their reach has set up. Which tables and columns they read, the page says.

ALTER TABLE seats_auditentry ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_auditentry;
CREATE POLICY within_reach ON seats_auditentry FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('activity')))
           AND (owner_id IS NULL OR owner_id IN (SELECT unnest(reach('activity')))));
GRANT SELECT ON seats_auditentry TO :"member_role";
