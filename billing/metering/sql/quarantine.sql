-- A quarantined event keeps what was sent; only what became of it moves.

REVOKE ALL ON billing_quarantinedevent FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (code, message, state, settled_at, settled_by)
    ON billing_quarantinedevent TO :"app_role";
