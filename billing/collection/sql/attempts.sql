-- An attempt to charge an invoice begins with what is owed, and moves one way.
--
-- Its id is the idempotency key at the processor, so what was sent never changes, and a
-- state that is final is not left for one that is less certain.

REVOKE ALL ON billing_paymentattempt FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, changed_at, last_error, reference, sends, lookups,
    first_sent_at, next_attempt_at, reported_at, closed_by, attempts, leased_until)
    ON billing_paymentattempt TO :"app_role";

CREATE OR REPLACE FUNCTION attempt_begins() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'created'
       OR scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NOT EXISTS (
           SELECT FROM billing_document
           WHERE id = NEW.invoice_id AND kind = 'invoice' AND currency = NEW.currency
             AND state IN ('open', 'uncollectible') AND NEW.amount <= total) THEN
        RAISE EXCEPTION 'an attempt begins with what is owed on an open invoice'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_begins';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER attempt_begins
    AFTER INSERT ON billing_paymentattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_begins();

CREATE OR REPLACE FUNCTION attempt_is_by_its_payer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_paymentmethod AS method
        JOIN billing_document AS invoice ON invoice.payer_id = method.payer_id
        WHERE method.id = NEW.method_id AND method.processor_id = NEW.processor_id
          AND invoice.id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'an attempt is by a method of the payer, at its processor'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_is_by_its_payer';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER attempt_is_by_its_payer
    AFTER INSERT ON billing_paymentattempt
    FOR EACH ROW
    WHEN (NEW.method_id IS NOT NULL)
    EXECUTE FUNCTION attempt_is_by_its_payer();

-- The one table of transitions, of refunds too. A success counts after a failure, and a
-- harder decline after a softer one.
CREATE OR REPLACE FUNCTION attempt_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sends < OLD.sends OR NEW.lookups < OLD.lookups
       OR (OLD.first_sent_at IS NOT NULL
           AND NEW.first_sent_at IS DISTINCT FROM OLD.first_sent_at)
       OR (OLD.reported_at IS NOT NULL
           AND NEW.reported_at IS DISTINCT FROM OLD.reported_at)
       OR (OLD.reference <> '' AND NEW.reference <> OLD.reference)
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('created', 'sent'), ('created', 'failed'),
            ('sent', 'pending'), ('sent', 'succeeded'), ('sent', 'declined_hard'),
            ('sent', 'declined_soft'), ('sent', 'failed'), ('sent', 'unknown'),
            ('pending', 'succeeded'), ('pending', 'declined_hard'),
            ('pending', 'declined_soft'), ('pending', 'failed'),
            ('unknown', 'pending'), ('unknown', 'succeeded'),
            ('unknown', 'declined_hard'), ('unknown', 'declined_soft'),
            ('unknown', 'failed'),
            ('failed', 'declined_soft'), ('failed', 'declined_hard'),
            ('failed', 'succeeded'), ('declined_soft', 'declined_hard'),
            ('declined_soft', 'succeeded'), ('declined_hard', 'succeeded'))) THEN
        RAISE EXCEPTION 'an attempt does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER attempt_moves
    BEFORE UPDATE ON billing_paymentattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_moves();

-- As the owner: the application reads the history and does not write it.
REVOKE ALL ON billing_attemptchange FROM :"app_role";
GRANT SELECT ON billing_attemptchange TO :"app_role";

CREATE OR REPLACE FUNCTION attempt_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.last_error <> OLD.last_error THEN
        INSERT INTO billing_attemptchange (attempt_id, state, error, recorded_at)
        VALUES (NEW.id, NEW.state, NEW.last_error, NEW.changed_at);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER attempt_is_remembered
    AFTER INSERT OR UPDATE ON billing_paymentattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_is_remembered();

CREATE OR REPLACE TRIGGER attempt_change_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_attemptchange
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A void while a charge is under way would leave a payment for nothing.
CREATE OR REPLACE FUNCTION no_void_while_charging() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_paymentattempt WHERE invoice_id = NEW.id
               AND state IN ('created', 'sent', 'pending', 'unknown')) THEN
        RAISE EXCEPTION 'a charge of the document is under way'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'no_void_while_charging';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER no_void_while_charging
    AFTER UPDATE ON billing_document
    FOR EACH ROW
    WHEN (NEW.state = 'void' AND OLD.state <> 'void')
    EXECUTE FUNCTION no_void_while_charging();
