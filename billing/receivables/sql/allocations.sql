-- An allocation covers what its payer owes on an invoice, by a payment or a credit note.
--
-- As the owner, because a lock on a row needs the privilege to change it. The lock makes
-- concurrent allocations to the same document wait, and then be counted.

REVOKE ALL ON billing_allocation FROM :"app_role";
GRANT SELECT, INSERT ON billing_allocation TO :"app_role";

CREATE OR REPLACE TRIGGER allocation_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_allocation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE FUNCTION allocation_fits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    invoice billing_document;
    note billing_document;
BEGIN
    SELECT * INTO invoice FROM billing_document
        WHERE id = NEW.document_id FOR NO KEY UPDATE;
    IF invoice.kind <> 'invoice' OR invoice.state IN ('draft', 'void')
       OR (SELECT sum(amount) FROM billing_allocation WHERE document_id = invoice.id)
          NOT BETWEEN 0 AND invoice.total
       OR EXISTS (SELECT FROM billing_allocation
                  WHERE document_id = invoice.id AND payment_id = NEW.payment_id
                  HAVING sum(amount) < 0)
       OR EXISTS (SELECT FROM billing_payment
                  WHERE id = NEW.payment_id AND payer_id <> invoice.payer_id) THEN
        RAISE EXCEPTION 'an allocation covers what is owed on an invoice of its payer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    IF NEW.credit_note_id IS NOT NULL THEN
        SELECT * INTO note FROM billing_document
            WHERE id = NEW.credit_note_id FOR NO KEY UPDATE;
        IF note.kind <> 'correction' OR note.state IN ('draft', 'void')
           OR note.payer_id <> invoice.payer_id
           OR scale(trim_scale(NEW.amount)) > currency_digits(note.currency)
           OR (SELECT sum(amount) FROM billing_allocation
               WHERE credit_note_id = note.id) > -note.total THEN
            RAISE EXCEPTION 'a credit note gives what it has, to its payer'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits';
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER allocation_fits
    AFTER INSERT ON billing_allocation
    FOR EACH ROW EXECUTE FUNCTION allocation_fits();

-- `paid` is covered in full, `open` is not, and nothing is left on what is void.
CREATE OR REPLACE FUNCTION document_state_matches_allocations() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    covered numeric;
BEGIN
    SELECT coalesce(sum(amount), 0) INTO covered FROM billing_allocation
        WHERE document_id = NEW.id OR credit_note_id = NEW.id;
    IF (CASE NEW.state
            WHEN 'paid' THEN covered <> abs(NEW.total)
            WHEN 'open' THEN covered = abs(NEW.total)
            WHEN 'void' THEN covered <> 0
            ELSE false END) THEN
        RAISE EXCEPTION '% of % are covered, so the document is not %',
            covered, NEW.total, NEW.state
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'document_state_matches_allocations';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER document_state_matches_allocations
    AFTER UPDATE ON billing_document
    FOR EACH ROW
    WHEN (OLD.state <> 'draft' AND OLD.state <> NEW.state)
    EXECUTE FUNCTION document_state_matches_allocations();
