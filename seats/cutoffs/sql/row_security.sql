-- Members see how far the facts of their agencies are closed.

ALTER TABLE seats_cutoffcounter ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_cutoffcounter;
CREATE POLICY within_reach ON seats_cutoffcounter FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('agencies'))));
GRANT SELECT ON seats_cutoffcounter TO :"member_role";
