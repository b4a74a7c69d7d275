-- A payment is an amount in its payer's currency, and changes only by its reversal.

REVOKE ALL ON billing_payment FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (reversal_reason, reversed_at, reversed_by)
    ON billing_payment TO :"app_role";

CREATE OR REPLACE FUNCTION payment_is_the_payers() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NEW.currency <> (SELECT currency FROM seats_agency WHERE id = NEW.payer_id)
    THEN
        RAISE EXCEPTION 'a payment is an amount in the currency of its payer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_is_the_payers';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER payment_is_the_payers
    AFTER INSERT ON billing_payment
    FOR EACH ROW EXECUTE FUNCTION payment_is_the_payers();

CREATE OR REPLACE TRIGGER payment_is_append_only
    BEFORE DELETE OR TRUNCATE ON billing_payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Once, as a whole, and while it covers nothing and nothing of it went back.
CREATE OR REPLACE FUNCTION payment_is_reversed_once() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    before billing_payment := OLD;
BEGIN
    before.reversed_at := NEW.reversed_at;
    before.reversed_by := NEW.reversed_by;
    before.reversal_reason := NEW.reversal_reason;
    IF OLD.reversed_at IS NOT NULL OR NEW.reversed_at IS NULL OR before IS DISTINCT FROM NEW
       OR (SELECT coalesce(sum(amount), 0) FROM billing_allocation
           WHERE payment_id = NEW.id) <> 0
       OR EXISTS (SELECT FROM billing_refund WHERE payment_id = NEW.id)
       OR EXISTS (SELECT FROM billing_dispute WHERE payment_id = NEW.id) THEN
        RAISE EXCEPTION 'a payment changes by its reversal alone, and only as a whole'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_is_reversed_once';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER payment_is_reversed_once
    BEFORE UPDATE ON billing_payment
    FOR EACH ROW EXECUTE FUNCTION payment_is_reversed_once();

REVOKE ALL ON billing_refund FROM :"app_role";
GRANT SELECT, INSERT ON billing_refund TO :"app_role";

CREATE OR REPLACE TRIGGER refund_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_refund
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
