-- Members see the usage of their agencies; who is an agent sees its own. Months in files
-- are the same for everybody, and name nobody.

ALTER TABLE billing_usageevent ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_usageevent;
CREATE POLICY within_reach ON billing_usageevent FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('usage')))
           OR agent_id IN (SELECT unnest(reach('agents'))));
GRANT SELECT ON billing_usageevent TO :"member_role";

ALTER TABLE billing_usageday ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_usageday;
CREATE POLICY within_reach ON billing_usageday FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('usage')))
           OR agent_id IN (SELECT unnest(reach('agents'))));
GRANT SELECT ON billing_usageday TO :"member_role";

ALTER TABLE billing_usageimport ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_usageimport;
CREATE POLICY within_reach ON billing_usageimport FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('imports'))));
GRANT SELECT ON billing_usageimport TO :"member_role";

ALTER TABLE billing_rejectedrow ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_rejectedrow;
CREATE POLICY within_reach ON billing_rejectedrow FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_usageimport AS parent
                   WHERE parent.id = usage_import_id));
GRANT SELECT ON billing_rejectedrow TO :"member_role";

ALTER TABLE billing_quarantinedevent ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_quarantinedevent;
CREATE POLICY within_reach ON billing_quarantinedevent FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('imports'))));
GRANT SELECT ON billing_quarantinedevent TO :"member_role";

GRANT SELECT ON billing_archivedmonth TO :"member_role";

ALTER TABLE billing_dialplan ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_dialplan;
CREATE POLICY within_reach ON billing_dialplan FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('imports'))));
GRANT SELECT ON billing_dialplan TO :"member_role";
