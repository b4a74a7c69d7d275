-- An event of a processor is stored as it came; only what became of it moves.

REVOKE ALL ON billing_processorevent FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, reason, tries, next_attempt_at, attempt_id,
    conflict_body, conflicts, payment_reference, reported_at)
    ON billing_processorevent TO :"app_role";
