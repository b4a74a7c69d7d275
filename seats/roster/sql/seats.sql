-- Seat versions are the facts that seats are billed by: stamped, and never changed.

REVOKE ALL ON seats_seatversion FROM :"app_role";
GRANT SELECT, INSERT ON seats_seatversion TO :"app_role";

CREATE OR REPLACE TRIGGER seat_version_has_current_stamp
    AFTER INSERT ON seats_seatversion
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();

CREATE OR REPLACE TRIGGER seat_version_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON seats_seatversion
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Agents and seats are never deleted: documents and calls name them.
REVOKE ALL ON seats_agent FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON seats_agent TO :"app_role";

REVOKE ALL ON seats_seat FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON seats_seat TO :"app_role";
