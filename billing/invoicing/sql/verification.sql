-- What a verification found stays; only when it was seen, resolved or accepted moves.

REVOKE ALL ON billing_verificationrun FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, finished_at, leased_until, findings, opened,
    resolved, pending_facts, error)
    ON billing_verificationrun TO :"app_role";

REVOKE ALL ON billing_verificationfinding FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (count, details, digest, last_seen_at, resolved_at,
    accepted_at, accepted_by, accepted_reason)
    ON billing_verificationfinding TO :"app_role";
