-- Which people members see: those of their own agency, and themselves. Histories name
-- who works at an agency within reach, and nobody of the platform.

ALTER TABLE seats_member ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_member;
CREATE POLICY within_reach ON seats_member FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('members')))
           OR user_id IN (SELECT unnest(reach('user'))));
GRANT SELECT ON seats_member TO :"member_role";

-- As the owner, because the memberships themselves may be out of reach.
CREATE OR REPLACE FUNCTION works_within_reach(person bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM seats_member
        WHERE user_id = person AND agency_id IN (SELECT unnest(reach('agencies')))
    )
$$;
REVOKE ALL ON FUNCTION works_within_reach(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION works_within_reach(bigint) TO :"member_role";

ALTER TABLE seats_user ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_user;
CREATE POLICY within_reach ON seats_user FOR SELECT TO :"member_role"
    USING (id IN (SELECT unnest(reach('user')))
           OR EXISTS (SELECT FROM seats_member WHERE user_id = seats_user.id)
           OR (NOT is_staff AND works_within_reach(id)));
REVOKE ALL ON seats_user FROM :"member_role";
GRANT SELECT (id, last_login, is_superuser, public_id, email, name, is_staff, is_active,
              created_at)
    ON seats_user TO :"member_role";

ALTER TABLE seats_invitation ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_invitation;
CREATE POLICY within_reach ON seats_invitation FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('members'))));
REVOKE ALL ON seats_invitation FROM :"member_role";
GRANT SELECT (id, public_id, agency_id, email, role, agent_id, invited_by_id, created_at,
              expires_at, accepted_at, accepted_by_id, revoked_at)
    ON seats_invitation TO :"member_role";

-- Entries about rows within reach, by somebody whom the history may name.
ALTER TABLE django_admin_log ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON django_admin_log;
CREATE POLICY within_reach ON django_admin_log FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM seats_user AS author
                   WHERE author.id = user_id AND NOT author.is_staff)
           AND sees_row(content_type_id, object_id));
GRANT SELECT ON django_admin_log TO :"member_role";
