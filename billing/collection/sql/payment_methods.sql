-- A payment method is removed once and stays removed; attempts name it for ever.

REVOKE ALL ON billing_paymentmethod FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (label, removed_at) ON billing_paymentmethod TO :"app_role";

CREATE OR REPLACE FUNCTION method_is_removed_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.removed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a payment method that is removed stays so'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'method_is_removed_once';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER method_is_removed_once
    BEFORE UPDATE ON billing_paymentmethod
    FOR EACH ROW EXECUTE FUNCTION method_is_removed_once();
