-- What support did as a member is appended, and ends once.

REVOKE ALL ON seats_supportsession FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (ended_at, ending) ON seats_supportsession TO :"app_role";

REVOKE ALL ON seats_supportview FROM :"app_role";
GRANT SELECT, INSERT ON seats_supportview TO :"app_role";

REVOKE ALL ON seats_supportaccess FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (ended_at) ON seats_supportaccess TO :"app_role";

-- Staff are never acted as, whatever the code says.
CREATE OR REPLACE FUNCTION support_acts_as_members() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM seats_user AS person JOIN seats_member AS member
            ON member.user_id = person.id AND member.agency_id = NEW.agency_id
        WHERE person.id = NEW.user_id AND person.is_active
            AND NOT person.is_staff AND NOT person.is_superuser
    ) THEN
        RAISE EXCEPTION 'support acts as an active member who is not staff'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'support_acts_as_members';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER support_session_is_of_a_member
    BEFORE INSERT ON seats_supportsession
    FOR EACH ROW EXECUTE FUNCTION support_acts_as_members();

SELECT audit_table('seats_supportsession', 'id', 'agency_id', '', '{staff_id,user_id}');
SELECT audit_table('seats_supportview', 'id', 'agency_id', '', '{method,path}');
SELECT audit_table('seats_supportaccess', 'id', 'agency_id', '', '{}');
