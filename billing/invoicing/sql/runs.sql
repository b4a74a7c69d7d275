-- A run and its items are never deleted, and the cut-offs that it took never change.

REVOKE ALL ON billing_billingrun FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_billingrun TO :"app_role";

REVOKE ALL ON billing_runitem FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_runitem TO :"app_role";

REVOKE ALL ON billing_runcut FROM :"app_role";
GRANT SELECT, INSERT ON billing_runcut TO :"app_role";

CREATE OR REPLACE TRIGGER run_cut_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_runcut
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
