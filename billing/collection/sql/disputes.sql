-- A dispute takes money of its payment back, once, and ends won or lost.

REVOKE ALL ON billing_dispute FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (amount, state, reason, reported_at, opened_at, closed_at)
    ON billing_dispute TO :"app_role";

CREATE OR REPLACE FUNCTION dispute_is_of_its_payment() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_payment AS payment
        JOIN billing_paymentprocessor AS processor ON processor.code = payment.processor
        WHERE payment.id = NEW.payment_id AND processor.id = NEW.processor_id
          AND payment.currency = NEW.currency) THEN
        RAISE EXCEPTION 'a dispute is at the processor of its payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dispute_is_of_its_payment';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER dispute_is_of_its_payment
    AFTER INSERT ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION dispute_is_of_its_payment();

CREATE OR REPLACE TRIGGER payment_is_disputed_once
    AFTER INSERT OR UPDATE ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION payment_is_spent_once();

-- That money was withheld may be reported after it came back; dates are recorded once. An
-- inquiry moves no money, so its amount is open until the dispute itself is reported.
CREATE OR REPLACE FUNCTION dispute_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount <> OLD.amount AND OLD.state <> 'inquiry' THEN
        RAISE EXCEPTION 'the amount of a dispute that is % does not change', OLD.state
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'dispute_moves';
    END IF;
    IF (OLD.opened_at IS NOT NULL AND NEW.opened_at IS DISTINCT FROM OLD.opened_at)
       OR (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at)
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('inquiry', 'open'), ('inquiry', 'won'), ('inquiry', 'lost'),
            ('open', 'won'), ('open', 'lost'))) THEN
        RAISE EXCEPTION 'a dispute does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dispute_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER dispute_moves
    BEFORE UPDATE ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION dispute_moves();

-- As the owner: the application reads the history and does not write it.
REVOKE ALL ON billing_disputechange FROM :"app_role";
GRANT SELECT ON billing_disputechange TO :"app_role";

CREATE OR REPLACE FUNCTION dispute_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO billing_disputechange (dispute_id, state, reason, recorded_at)
    VALUES (NEW.id, NEW.state, NEW.reason, NEW.reported_at);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER dispute_is_remembered
    AFTER INSERT OR UPDATE ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION dispute_is_remembered();

CREATE OR REPLACE TRIGGER dispute_change_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_disputechange
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
