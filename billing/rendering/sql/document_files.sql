-- What a file was made from stays; only its way to the storage moves.

REVOKE ALL ON billing_documentfile FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, attempts, next_attempt_at, leased_until, last_error,
    path, size, sha256, rendered_at)
    ON billing_documentfile TO :"app_role";
