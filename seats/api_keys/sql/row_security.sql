-- Members see the keys of their agency, and never what a key is checked against.

ALTER TABLE seats_apikey ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_apikey;
CREATE POLICY within_reach ON seats_apikey FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('integrations'))));
REVOKE ALL ON seats_apikey FROM :"member_role";
GRANT SELECT (id, public_id, agency_id, label, prefix, scopes, created_by, created_at,
              expires_at, revoked_at, last_used_at)
    ON seats_apikey TO :"member_role";
