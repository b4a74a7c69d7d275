-- Lines are written to drafts, fit their document, and sum to it when it is issued.

REVOKE ALL ON billing_documentline FROM :"app_role";
GRANT SELECT, INSERT, DELETE ON billing_documentline TO :"app_role";

CREATE OR REPLACE TRIGGER lines_are_kept
    BEFORE UPDATE OR TRUNCATE ON billing_documentline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE FUNCTION lines_belong_to_drafts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT document_id FROM touched) AS line
        JOIN billing_document AS document ON document.id = line.document_id
        WHERE document.state <> 'draft'
    ) THEN
        RAISE EXCEPTION 'the lines of an issued document never change'
            USING ERRCODE = 'restrict_violation',
                  CONSTRAINT = 'lines_belong_to_drafts';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER lines_are_added_to_drafts
    AFTER INSERT ON billing_documentline
    REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION lines_belong_to_drafts();

CREATE OR REPLACE TRIGGER lines_are_dropped_from_drafts
    AFTER DELETE ON billing_documentline
    REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION lines_belong_to_drafts();

CREATE OR REPLACE FUNCTION lines_fit_their_document() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh AS line
        JOIN billing_document AS document ON document.id = line.document_id
        WHERE line.payer_id <> document.payer_id
           OR line.month > document.month
           OR scale(trim_scale(line.amount_now)) > currency_digits(document.currency)
           OR scale(trim_scale(line.tax)) > currency_digits(document.currency)
    ) THEN
        RAISE EXCEPTION 'a line has the payer and the currency of its document'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'lines_fit_their_document';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER lines_fit_their_document
    AFTER INSERT ON billing_documentline
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION lines_fit_their_document();

CREATE OR REPLACE FUNCTION lines_sum_to_the_document() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_documentline WHERE document_id = NEW.id
        HAVING sum(amount) = NEW.subtotal AND sum(tax) = NEW.tax
    ) THEN
        RAISE EXCEPTION 'the lines do not sum to the document'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'lines_sum_to_the_document';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER lines_sum_to_the_document
    BEFORE UPDATE ON billing_document
    FOR EACH ROW
    WHEN (OLD.state = 'draft' AND NEW.state <> 'draft')
    EXECUTE FUNCTION lines_sum_to_the_document();
