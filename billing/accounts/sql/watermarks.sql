-- How far an agency is billed to a payer only rises, or its facts would be billed again.

REVOKE ALL ON billing_watermark FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON billing_watermark TO :"app_role";

CREATE OR REPLACE FUNCTION watermark_only_rises() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.billed_cutoff < OLD.billed_cutoff OR NEW.billed_through < OLD.billed_through
       OR NEW.payer_id <> OLD.payer_id OR NEW.agency_id <> OLD.agency_id THEN
        RAISE EXCEPTION 'a watermark only rises'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'watermark_only_rises';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER watermark_only_rises
    BEFORE UPDATE ON billing_watermark
    FOR EACH ROW EXECUTE FUNCTION watermark_only_rises();
