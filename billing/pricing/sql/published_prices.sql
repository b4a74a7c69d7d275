-- A published price list never changes: documents name it and its hash.

CREATE OR REPLACE FUNCTION published_prices_are_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    list_id bigint;
BEGIN
    IF TG_TABLE_NAME = 'billing_pricelist' THEN
        IF OLD.state = 'draft' THEN
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
                WHERE id = list_id AND state = 'draft' FOR SHARE;
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

CREATE OR REPLACE TRIGGER published_list_is_fixed
    BEFORE UPDATE OR DELETE ON billing_pricelist
    FOR EACH ROW EXECUTE FUNCTION published_prices_are_fixed();

CREATE OR REPLACE TRIGGER published_rate_is_fixed
    BEFORE INSERT OR UPDATE OR DELETE ON billing_rate
    FOR EACH ROW EXECUTE FUNCTION published_prices_are_fixed();

CREATE OR REPLACE TRIGGER published_tier_is_fixed
    BEFORE INSERT OR UPDATE OR DELETE ON billing_ratetier
    FOR EACH ROW EXECUTE FUNCTION published_prices_are_fixed();

-- Usage and price lists name meters, so those are never deleted.
REVOKE ALL ON billing_meter FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_meter TO :"app_role";
