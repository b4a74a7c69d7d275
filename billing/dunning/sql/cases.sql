-- A dunning case is about an invoice of its payer, and moves by one table of transitions.
--
-- Nobody is suspended before a notice of it, or for what is not past its due date, and a
-- case that is closed stays closed.

REVOKE ALL ON billing_dunningcase FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (state, since, retries, retry_at, escalate_at, closed_at,
    invoice_id)
    ON billing_dunningcase TO :"app_role";

CREATE OR REPLACE FUNCTION dunning_begins() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state NOT IN ('retrying', 'waiting', 'overdue') THEN
        RAISE EXCEPTION 'a case does not begin as %', NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_begins';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER dunning_begins
    BEFORE INSERT ON billing_dunningcase
    FOR EACH ROW EXECUTE FUNCTION dunning_begins();

CREATE OR REPLACE FUNCTION dunning_is_of_its_payer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM billing_document
                   WHERE id = NEW.invoice_id AND payer_id = NEW.payer_id
                     AND kind = 'invoice') THEN
        RAISE EXCEPTION 'a case is about an invoice of its payer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_is_of_its_payer';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER dunning_is_of_its_payer
    AFTER INSERT OR UPDATE ON billing_dunningcase
    FOR EACH ROW EXECUTE FUNCTION dunning_is_of_its_payer();

CREATE OR REPLACE FUNCTION dunning_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'closed'
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('retrying', 'waiting'), ('retrying', 'overdue'), ('retrying', 'closed'),
            ('waiting', 'retrying'), ('waiting', 'overdue'), ('waiting', 'closed'),
            ('overdue', 'retrying'), ('overdue', 'waiting'), ('overdue', 'suspended'),
            ('overdue', 'closed'),
            ('suspended', 'retrying'), ('suspended', 'waiting'),
            ('suspended', 'overdue'), ('suspended', 'closed'))) THEN
        RAISE EXCEPTION 'a case does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_moves';
    END IF;
    IF NEW.state = 'suspended' AND OLD.state <> 'suspended' AND NOT EXISTS (
        SELECT FROM billing_document
        WHERE payer_id = NEW.payer_id AND kind = 'invoice' AND state = 'open'
          AND due_at <= NEW.since) THEN
        RAISE EXCEPTION 'nothing is overdue'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER dunning_moves
    BEFORE UPDATE ON billing_dunningcase
    FOR EACH ROW EXECUTE FUNCTION dunning_moves();

-- What was done in a case, and who held it, is history.
REVOKE ALL ON billing_dunningstep FROM :"app_role";
GRANT SELECT, INSERT ON billing_dunningstep TO :"app_role";

CREATE OR REPLACE TRIGGER dunning_step_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_dunningstep
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

REVOKE ALL ON billing_dunninghold FROM :"app_role";
GRANT SELECT, INSERT ON billing_dunninghold TO :"app_role";

CREATE OR REPLACE TRIGGER dunning_hold_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_dunninghold
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
