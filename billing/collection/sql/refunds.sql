-- A refund begins with what is left of its payment, and moves as a charge does.
--
-- As the owner, because a lock on a row needs the privilege to change it. The lock makes
-- concurrent refunds of one payment wait, and then be counted.

REVOKE ALL ON billing_refundattempt FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, changed_at, last_error, reference, sends, lookups,
    first_sent_at, next_attempt_at, reported_at, closed_by, attempts, leased_until)
    ON billing_refundattempt TO :"app_role";

CREATE OR REPLACE FUNCTION refund_attempt_begins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    payment billing_payment;
    taken numeric;
BEGIN
    SELECT * INTO payment FROM billing_payment
        WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT coalesce((SELECT sum(amount) FROM billing_refund
                     WHERE payment_id = payment.id), 0)
         + coalesce((SELECT sum(amount) FROM billing_refundattempt
                     WHERE payment_id = payment.id
                       AND state IN ('created', 'sent', 'pending', 'unknown')), 0)
         + coalesce((SELECT sum(amount) FROM billing_dispute
                     WHERE payment_id = payment.id
                       AND state IN ('open', 'lost')), 0)
        INTO taken;
    IF NEW.state <> 'created' OR taken > payment.amount
       OR NEW.currency <> payment.currency
       OR scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NOT EXISTS (SELECT FROM billing_paymentprocessor
                      WHERE id = NEW.processor_id AND code = payment.processor) THEN
        RAISE EXCEPTION 'a refund begins with what is left of a payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_attempt_begins';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER refund_attempt_begins
    AFTER INSERT ON billing_refundattempt
    FOR EACH ROW EXECUTE FUNCTION refund_attempt_begins();

CREATE OR REPLACE TRIGGER refund_attempt_moves
    BEFORE UPDATE ON billing_refundattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_moves();

-- As the owner: the application reads the history and does not write it.
REVOKE ALL ON billing_refundattemptchange FROM :"app_role";
GRANT SELECT ON billing_refundattemptchange TO :"app_role";

CREATE OR REPLACE FUNCTION refund_attempt_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.last_error <> OLD.last_error THEN
        INSERT INTO billing_refundattemptchange (attempt_id, state, error, recorded_at)
        VALUES (NEW.id, NEW.state, NEW.last_error, NEW.changed_at);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER refund_attempt_is_remembered
    AFTER INSERT OR UPDATE ON billing_refundattempt
    FOR EACH ROW EXECUTE FUNCTION refund_attempt_is_remembered();

CREATE OR REPLACE TRIGGER refund_attempt_change_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_refundattemptchange
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
