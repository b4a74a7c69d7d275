-- What was written and to whom stays; only its way out moves.

REVOKE ALL ON billing_mail FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, attempts, next_attempt_at, leased_until, last_error,
    sent_at)
    ON billing_mail TO :"app_role";
