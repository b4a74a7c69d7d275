-- Each ledger transaction has entries that sum to zero, and none of them ever changes.

REVOKE ALL ON billing_ledgertransaction FROM :"app_role";
GRANT SELECT, INSERT ON billing_ledgertransaction TO :"app_role";

REVOKE ALL ON billing_ledgerentry FROM :"app_role";
GRANT SELECT, INSERT ON billing_ledgerentry TO :"app_role";

CREATE OR REPLACE TRIGGER ledger_transaction_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgertransaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE TRIGGER ledger_entry_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Each statement that adds entries is balanced in itself ...
CREATE OR REPLACE FUNCTION ledger_entries_balance() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh GROUP BY transaction_id HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'the entries of a ledger transaction sum to zero'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_balance';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_entries_balance
    AFTER INSERT ON billing_ledgerentry
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_balance();

-- ... and at the end of the database transaction there are entries at all.
CREATE OR REPLACE FUNCTION ledger_transaction_balances() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_ledgerentry WHERE transaction_id = NEW.id
        HAVING count(*) > 0 AND sum(amount) = 0
    ) THEN
        RAISE EXCEPTION 'a ledger transaction has entries that sum to zero'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'ledger_transaction_balances';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS ledger_transaction_balances ON billing_ledgertransaction;
CREATE CONSTRAINT TRIGGER ledger_transaction_balances
    AFTER INSERT ON billing_ledgertransaction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_transaction_balances();
