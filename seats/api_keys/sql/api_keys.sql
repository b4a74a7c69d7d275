-- A key is revoked, never deleted, and its scopes and reach do not grow.

REVOKE ALL ON seats_apikey FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (revoked_at, last_used_at) ON seats_apikey TO :"app_role";
