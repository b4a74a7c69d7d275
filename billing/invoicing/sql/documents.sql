-- A document starts as a draft, and once it is issued nothing changes but its state.
--
-- Customers hold issued documents and later ones are chained to them by hash, so the
-- database refuses every other change, whatever the code says.

REVOKE ALL ON billing_document FROM :"app_role";
GRANT SELECT, INSERT, DELETE, UPDATE (state, number, review_until, issued_at, due_at,
    hash, previous_hash)
    ON billing_document TO :"app_role";

CREATE OR REPLACE FUNCTION documents_start_as_drafts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a document starts as a draft'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'documents_start_as_drafts';
END $$;

CREATE OR REPLACE TRIGGER documents_start_as_drafts
    BEFORE INSERT ON billing_document
    FOR EACH ROW
    WHEN (NEW.state <> 'draft')
    EXECUTE FUNCTION documents_start_as_drafts();

CREATE OR REPLACE FUNCTION issued_documents_are_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE'
       AND to_jsonb(NEW) - 'state' = to_jsonb(OLD) - 'state'
       AND (OLD.state, NEW.state) IN (
           ('open', 'open'), ('open', 'paid'), ('open', 'void'),
           ('open', 'uncollectible'), ('uncollectible', 'paid'),
           ('uncollectible', 'void'), ('paid', 'open'), ('paid', 'void')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an issued document never changes (% to %)',
        OLD.state, CASE TG_OP WHEN 'UPDATE' THEN NEW.state ELSE 'deleted' END
        USING ERRCODE = 'restrict_violation',
              CONSTRAINT = 'issued_documents_are_fixed';
END $$;

CREATE OR REPLACE TRIGGER issued_documents_are_fixed
    BEFORE UPDATE OR DELETE ON billing_document
    FOR EACH ROW EXECUTE FUNCTION issued_documents_are_fixed();

CREATE OR REPLACE TRIGGER documents_are_kept
    BEFORE TRUNCATE ON billing_document
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE billing_document
    DROP CONSTRAINT IF EXISTS document_is_in_minor_units,
    ADD CONSTRAINT document_is_in_minor_units CHECK (
        scale(trim_scale(subtotal)) <= currency_digits(currency)
        AND scale(trim_scale(tax)) <= currency_digits(currency));
