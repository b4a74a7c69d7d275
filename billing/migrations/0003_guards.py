"""What the database itself refuses about prices, payers, documents and events."""

from django.db import migrations

from core.postgres.privileges import restrict

PRICES = """
CREATE FUNCTION published_prices_are_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    list_id bigint;
BEGIN
    IF TG_TABLE_NAME = 'billing_pricelist' THEN
        IF OLD.status = 'draft' THEN
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        END IF;
    ELSE
        -- Both the old and the new parent must be drafts.
        FOR list_id IN
            SELECT CASE TG_TABLE_NAME
                WHEN 'billing_rate' THEN (touched.row->>'price_list_id')::bigint
                ELSE (SELECT price_list_id FROM billing_rate
                      WHERE id = (touched.row->>'rate_id')::bigint) END
            FROM (VALUES (CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END),
                         (CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END)
                 ) AS touched(row)
            WHERE touched.row IS NOT NULL
        LOOP
            -- The lock makes a concurrent publication wait, or be seen.
            PERFORM FROM billing_pricelist
                WHERE id = list_id AND status = 'draft' FOR SHARE;
            IF list_id IS NOT NULL AND NOT FOUND THEN
                RAISE EXCEPTION 'a published price list never changes'
                    USING ERRCODE = 'restrict_violation',
                          CONSTRAINT = 'published_prices_are_fixed';
            END IF;
        END LOOP;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'a published price list never changes'
        USING ERRCODE = 'restrict_violation',
              CONSTRAINT = 'published_prices_are_fixed';
END $$;
CREATE TRIGGER published_list_is_fixed BEFORE UPDATE OR DELETE ON billing_pricelist
    FOR EACH ROW EXECUTE FUNCTION published_prices_are_fixed();
CREATE TRIGGER published_rate_is_fixed
    BEFORE INSERT OR UPDATE OR DELETE ON billing_rate
    FOR EACH ROW EXECUTE FUNCTION published_prices_are_fixed();
CREATE TRIGGER published_tier_is_fixed
    BEFORE INSERT OR UPDATE OR DELETE ON billing_ratetier
    FOR EACH ROW EXECUTE FUNCTION published_prices_are_fixed();
"""

SHARES = """
CREATE FUNCTION shares_are_the_whole() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    the_set bigint := CASE TG_TABLE_NAME
        WHEN 'billing_payershare' THEN (to_jsonb(NEW)->>'share_set_id')::bigint
        ELSE NEW.id END;
BEGIN
    IF (SELECT coalesce(sum(percent), 0) FROM billing_payershare
        WHERE share_set_id = the_set) <> 100 THEN
        RAISE EXCEPTION 'the shares of a set sum to 100 percent'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'shares_are_the_whole';
    END IF;
    IF EXISTS (
        SELECT FROM billing_payershare AS share
        JOIN billing_payershareset AS s ON s.id = share.share_set_id
        JOIN seats_agency AS agency ON agency.id = s.agency_id
        JOIN seats_agency AS payer ON payer.id = share.payer_id
        WHERE s.id = the_set AND agency.currency <> payer.currency
    ) THEN
        RAISE EXCEPTION 'a payer pays in the currency of the agency'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payer_has_the_currency';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER share_set_is_the_whole AFTER INSERT ON billing_payershareset
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION shares_are_the_whole();
CREATE CONSTRAINT TRIGGER share_is_of_the_whole AFTER INSERT ON billing_payershare
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION shares_are_the_whole();

CREATE FUNCTION shares_change_open_months() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh JOIN seats_books AS books USING (agency_id)
        WHERE fresh.starts_on < books.closed_through + interval '1 month'
    ) THEN
        RAISE EXCEPTION 'payers change only in months not yet cut off'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'shares_change_open_months';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER shares_change_open_months AFTER INSERT ON billing_payershareset
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION shares_change_open_months();
CREATE TRIGGER share_set_has_current_stamp AFTER INSERT ON billing_payershareset
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();
CREATE TRIGGER share_set_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_payershareset
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER share_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_payershare
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION account_only_counts_up() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next_number < OLD.next_number OR NEW.payer_id <> OLD.payer_id THEN
        RAISE EXCEPTION 'the numbers of a payer only go up'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'account_only_counts_up';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_only_counts_up BEFORE UPDATE ON billing_account
    FOR EACH ROW EXECUTE FUNCTION account_only_counts_up();

CREATE FUNCTION watermark_only_rises() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.billed_cutoff < OLD.billed_cutoff OR NEW.billed_through < OLD.billed_through
       OR NEW.payer_id <> OLD.payer_id OR NEW.agency_id <> OLD.agency_id THEN
        RAISE EXCEPTION 'a watermark only rises'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'watermark_only_rises';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER watermark_only_rises BEFORE UPDATE ON billing_watermark
    FOR EACH ROW EXECUTE FUNCTION watermark_only_rises();
"""

DOCUMENTS = """
CREATE FUNCTION currency_digits(currency text) RETURNS int
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW',
                          'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF')
            THEN 0
        WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
        ELSE 2 END
$$;
ALTER TABLE billing_document ADD CONSTRAINT document_is_in_minor_units CHECK (
    scale(trim_scale(subtotal)) <= currency_digits(currency)
    AND scale(trim_scale(tax)) <= currency_digits(currency));

CREATE FUNCTION issued_documents_are_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE'
       AND to_jsonb(NEW) - 'status' = to_jsonb(OLD) - 'status'
       AND (OLD.status, NEW.status) IN (
           ('open', 'open'), ('open', 'paid'), ('open', 'void'),
           ('open', 'uncollectible'), ('uncollectible', 'paid'),
           ('uncollectible', 'void'), ('paid', 'open'), ('paid', 'void')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an issued document never changes (% to %)',
        OLD.status, CASE TG_OP WHEN 'UPDATE' THEN NEW.status ELSE 'deleted' END
        USING ERRCODE = 'restrict_violation',
              CONSTRAINT = 'issued_documents_are_fixed';
END $$;
CREATE TRIGGER issued_documents_are_fixed BEFORE UPDATE OR DELETE ON billing_document
    FOR EACH ROW EXECUTE FUNCTION issued_documents_are_fixed();
CREATE TRIGGER documents_are_kept BEFORE TRUNCATE ON billing_document
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION lines_belong_to_drafts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT document_id FROM touched) AS line
        JOIN billing_document AS document ON document.id = line.document_id
        WHERE document.status <> 'draft'
    ) THEN
        RAISE EXCEPTION 'the lines of an issued document never change'
            USING ERRCODE = 'restrict_violation',
                  CONSTRAINT = 'lines_belong_to_drafts';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lines_are_added_to_drafts AFTER INSERT ON billing_documentline
    REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION lines_belong_to_drafts();
CREATE TRIGGER lines_are_dropped_from_drafts AFTER DELETE ON billing_documentline
    REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION lines_belong_to_drafts();
CREATE TRIGGER lines_are_kept BEFORE UPDATE OR TRUNCATE ON billing_documentline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION lines_fit_their_document() RETURNS trigger
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
CREATE TRIGGER lines_fit_their_document AFTER INSERT ON billing_documentline
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION lines_fit_their_document();

-- At the end of every transaction that issues: lines sum to the document.
CREATE FUNCTION lines_sum_to_the_document() RETURNS trigger
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
CREATE TRIGGER lines_sum_to_the_document BEFORE UPDATE ON billing_document
    FOR EACH ROW WHEN (OLD.status = 'draft' AND NEW.status <> 'draft')
    EXECUTE FUNCTION lines_sum_to_the_document();
CREATE FUNCTION documents_start_as_drafts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a document starts as a draft'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'documents_start_as_drafts';
END $$;
CREATE TRIGGER documents_start_as_drafts BEFORE INSERT ON billing_document
    FOR EACH ROW WHEN (NEW.status <> 'draft')
    EXECUTE FUNCTION documents_start_as_drafts();

CREATE TRIGGER void_has_current_stamp AFTER INSERT ON billing_void
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();
CREATE TRIGGER void_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_void
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER run_cut_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_runcut
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER outbox_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_outboxevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_usage_events")]

    operations = [
        *(
            migrations.RunSQL(sql, migrations.RunSQL.noop)
            for sql in (PRICES, SHARES, DOCUMENTS)
        ),
        restrict(
            {
                "billing_payershareset": "SELECT, INSERT",
                "billing_payershare": "SELECT, INSERT",
                "billing_account": "SELECT, INSERT, UPDATE",
                "billing_watermark": "SELECT, INSERT, UPDATE",
                "billing_document": (
                    "SELECT, INSERT, DELETE, UPDATE (status, number, issued_at,"
                    " due_at, review_until, hash, previous_hash)"
                ),
                "billing_documentline": "SELECT, INSERT, DELETE",
                "billing_void": "SELECT, INSERT",
                "billing_billingrun": "SELECT, INSERT, UPDATE",
                "billing_runcut": "SELECT, INSERT",
                "billing_runitem": "SELECT, INSERT, UPDATE",
                "billing_outboxevent": "SELECT, INSERT",
                "billing_outboxstream": "SELECT, INSERT, UPDATE",
            }
        ),
    ]
