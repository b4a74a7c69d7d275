-- A checkout page is for an attempt of its payer, and its reference is recorded once.

REVOKE ALL ON billing_checkoutpage FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (url, reference, sent_until, closed_at)
    ON billing_checkoutpage TO :"app_role";

CREATE OR REPLACE FUNCTION page_is_of_its_payer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_paymentattempt AS attempt
        JOIN billing_document AS invoice ON invoice.id = attempt.invoice_id
        WHERE attempt.id = NEW.attempt_id AND attempt.method_id IS NULL
          AND attempt.processor_id = NEW.processor_id
          AND invoice.payer_id = NEW.payer_id) THEN
        RAISE EXCEPTION 'a page is for an attempt of its payer, at its processor'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'page_is_of_its_payer';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER page_is_of_its_payer
    AFTER INSERT ON billing_checkoutpage
    FOR EACH ROW
    WHEN (NEW.attempt_id IS NOT NULL)
    EXECUTE FUNCTION page_is_of_its_payer();

CREATE OR REPLACE FUNCTION reference_is_learned_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.reference <> '' AND NEW.reference <> OLD.reference THEN
        RAISE EXCEPTION 'what a processor calls it does not change'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'reference_is_learned_once';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER reference_is_learned_once
    BEFORE UPDATE ON billing_checkoutpage
    FOR EACH ROW EXECUTE FUNCTION reference_is_learned_once();

REVOKE ALL ON billing_processorcustomer FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (reference, sent_at)
    ON billing_processorcustomer TO :"app_role";

CREATE OR REPLACE TRIGGER reference_is_learned_once
    BEFORE UPDATE ON billing_processorcustomer
    FOR EACH ROW EXECUTE FUNCTION reference_is_learned_once();
