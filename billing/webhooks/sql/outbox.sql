-- Events are appended: receivers rely on their sequence, and `verify` on their contents.

REVOKE ALL ON billing_outboxevent FROM :"app_role";
GRANT SELECT, INSERT ON billing_outboxevent TO :"app_role";

CREATE OR REPLACE TRIGGER outbox_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_outboxevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

REVOKE ALL ON billing_outboxstream FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_outboxstream TO :"app_role";
