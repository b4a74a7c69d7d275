-- A refund above the limit is decided about once, and what was requested never changes.

REVOKE ALL ON billing_refundapproval FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, decided_by_id, decided_at, decision, attempt_id)
    ON billing_refundapproval TO :"app_role";

CREATE OR REPLACE FUNCTION refund_approval_begins() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'requested'
       OR scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NOT EXISTS (SELECT FROM billing_payment
                      WHERE id = NEW.payment_id AND currency = NEW.currency
                        AND NEW.amount <= amount) THEN
        RAISE EXCEPTION 'a refund approval begins with a part of a payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_approval_begins';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER refund_approval_begins
    AFTER INSERT ON billing_refundapproval
    FOR EACH ROW EXECUTE FUNCTION refund_approval_begins();

-- The attempt that it led to is of the same payment and amount.
CREATE OR REPLACE FUNCTION refund_approval_is_decided_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'requested'
       OR NEW.attempt_id IS NOT NULL AND NOT EXISTS (
           SELECT FROM billing_refundattempt
           WHERE id = NEW.attempt_id AND payment_id = NEW.payment_id
             AND amount = NEW.amount) THEN
        RAISE EXCEPTION 'a refund approval is decided once'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'refund_approval_is_decided_once';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER refund_approval_is_decided_once
    BEFORE UPDATE ON billing_refundapproval
    FOR EACH ROW EXECUTE FUNCTION refund_approval_is_decided_once();

CREATE OR REPLACE TRIGGER refund_approval_is_kept
    BEFORE DELETE OR TRUNCATE ON billing_refundapproval
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
