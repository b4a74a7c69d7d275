-- Who was suspended, by what and when, is history: the newest row of a cause counts.

REVOKE ALL ON billing_accountstanding FROM :"app_role";
GRANT SELECT, INSERT ON billing_accountstanding TO :"app_role";

CREATE OR REPLACE TRIGGER standing_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_accountstanding
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
