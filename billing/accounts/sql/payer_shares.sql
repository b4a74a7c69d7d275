-- Who pays for an agency: dated sets of shares that sum to 100 percent.
--
-- Sets are facts: stamped, never changed, and only for months that are not cut off, as
-- the charges of those are split already.

REVOKE ALL ON billing_payershareset FROM :"app_role";
GRANT SELECT, INSERT ON billing_payershareset TO :"app_role";

REVOKE ALL ON billing_payershare FROM :"app_role";
GRANT SELECT, INSERT ON billing_payershare TO :"app_role";

CREATE OR REPLACE TRIGGER share_set_has_current_stamp
    AFTER INSERT ON billing_payershareset
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();

CREATE OR REPLACE TRIGGER share_set_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_payershareset
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE TRIGGER share_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_payershare
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Checked at the end of the transaction, which writes a set and then its shares.
CREATE OR REPLACE FUNCTION shares_are_the_whole() RETURNS trigger
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

DROP TRIGGER IF EXISTS share_set_is_the_whole ON billing_payershareset;
CREATE CONSTRAINT TRIGGER share_set_is_the_whole
    AFTER INSERT ON billing_payershareset
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION shares_are_the_whole();

DROP TRIGGER IF EXISTS share_is_of_the_whole ON billing_payershare;
CREATE CONSTRAINT TRIGGER share_is_of_the_whole
    AFTER INSERT ON billing_payershare
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION shares_are_the_whole();

CREATE OR REPLACE FUNCTION shares_change_open_months() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh JOIN seats_cutoffcounter AS counter USING (agency_id)
        WHERE fresh.starts_on < counter.closed_through + interval '1 month'
    ) THEN
        RAISE EXCEPTION 'payers change only in months not yet cut off'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'shares_change_open_months';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER shares_change_open_months
    AFTER INSERT ON billing_payershareset
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION shares_change_open_months();
