-- The numbers of a payer's documents only go up, so that they are gapless and unique.

REVOKE ALL ON billing_billingaccount FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_billingaccount TO :"app_role";

CREATE OR REPLACE FUNCTION account_only_counts_up() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next_number < OLD.next_number OR NEW.payer_id <> OLD.payer_id THEN
        RAISE EXCEPTION 'the numbers of a payer only go up'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'account_only_counts_up';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER account_only_counts_up
    BEFORE UPDATE ON billing_billingaccount
    FOR EACH ROW EXECUTE FUNCTION account_only_counts_up();
