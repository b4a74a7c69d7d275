-- A fact carries the cut-off that its agency has when it is recorded.
--
-- What is billed is computed from the facts up to a cut-off. A fact with an older stamp
-- would be missing from a bill that counts as complete.

REVOKE ALL ON seats_cutoffcounter FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON seats_cutoffcounter TO :"app_role";

CREATE OR REPLACE FUNCTION fact_has_current_stamp() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT agency_id, cutoff FROM fresh) AS fact
        LEFT JOIN seats_cutoffcounter AS counter USING (agency_id)
        WHERE counter.cutoff IS DISTINCT FROM fact.cutoff
    ) THEN
        RAISE EXCEPTION 'a fact in % lacks the current cut-off of its agency',
            TG_TABLE_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fact_has_current_stamp';
    END IF;
    RETURN NULL;
END $$;

-- A cut-off that went back would open facts that are billed.
CREATE OR REPLACE FUNCTION cutoff_counter_only_rises() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.agency_id <> OLD.agency_id OR NEW.cutoff < OLD.cutoff
       OR (OLD.closed_through IS NOT NULL
           AND NEW.closed_through IS DISTINCT FROM
               greatest(NEW.closed_through, OLD.closed_through)) THEN
        RAISE EXCEPTION 'the cut-off counter of agency % only rises', OLD.agency_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'cutoff_counter_only_rises';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER cutoff_counter_only_rises
    BEFORE UPDATE ON seats_cutoffcounter
    FOR EACH ROW EXECUTE FUNCTION cutoff_counter_only_rises();
