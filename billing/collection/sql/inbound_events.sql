-- An event of a processor is stored as it came; only what became of it moves.

REVOKE ALL ON billing_processorevent FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, reason, attempt_id, attempts, next_attempt_at, leased_until,
    last_error, payment_reference, reported_at, conflicts, conflict_body)
    ON billing_processorevent TO :"app_role";
