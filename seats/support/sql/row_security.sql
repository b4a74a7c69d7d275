-- Members see what support did at their agencies, and who did it.

ALTER TABLE seats_supportsession ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_supportsession;
CREATE POLICY within_reach ON seats_supportsession FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('activity'))));
GRANT SELECT ON seats_supportsession TO :"member_role";

ALTER TABLE seats_supportview ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_supportview;
CREATE POLICY within_reach ON seats_supportview FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('activity'))));
GRANT SELECT ON seats_supportview TO :"member_role";

ALTER TABLE seats_supportaccess ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_supportaccess;
CREATE POLICY within_reach ON seats_supportaccess FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('members'))));
GRANT SELECT ON seats_supportaccess TO :"member_role";

DROP POLICY IF EXISTS support_within_reach ON seats_user;
CREATE POLICY support_within_reach ON seats_user FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM seats_supportsession WHERE staff_id = seats_user.id)
           OR EXISTS (SELECT FROM seats_supportaccess
                      WHERE allowed_by_id = seats_user.id));
