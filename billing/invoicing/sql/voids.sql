-- A void is a fact like a call: what it takes back is billed again after its cut-off.

REVOKE ALL ON billing_void FROM :"app_role";
GRANT SELECT, INSERT ON billing_void TO :"app_role";

CREATE OR REPLACE TRIGGER void_has_current_stamp
    AFTER INSERT ON billing_void
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();

CREATE OR REPLACE TRIGGER void_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_void
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
