-- Signs of life are overwritten, never deleted.

REVOKE ALL ON billing_pulse FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_pulse TO :"app_role";
