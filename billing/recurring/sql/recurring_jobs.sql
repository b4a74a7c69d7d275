-- A recurring job is never deleted: its row says when the work is due again.

REVOKE ALL ON billing_recurringjob FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_recurringjob TO :"app_role";
