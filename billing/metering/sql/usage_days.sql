-- A usage day grows under the cut-off that is open, and is frozen once that is taken.
--
-- Bills are computed from usage days, so a frozen one is a fact like any other.

REVOKE ALL ON billing_usageday FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (events, raw, billable) ON billing_usageday TO :"app_role";

CREATE OR REPLACE TRIGGER usage_day_has_current_stamp
    AFTER INSERT ON billing_usageday
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();

CREATE OR REPLACE FUNCTION usage_day_is_open() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT agency_id, cutoff FROM before) AS fact
        LEFT JOIN seats_cutoffcounter AS counter USING (agency_id)
        WHERE counter.cutoff IS DISTINCT FROM fact.cutoff
    ) THEN
        RAISE EXCEPTION 'a usage day is frozen once its cut-off is taken'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_is_open';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER usage_day_is_open
    AFTER UPDATE ON billing_usageday
    REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION usage_day_is_open();

CREATE OR REPLACE TRIGGER usage_day_is_kept
    BEFORE DELETE OR TRUNCATE ON billing_usageday
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- In place of foreign keys: once for a statement instead of once for a row.
CREATE OR REPLACE FUNCTION usage_day_names_what_exists() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT meter_id FROM fresh) AS day
        LEFT JOIN billing_meter AS meter ON meter.id = day.meter_id
        WHERE meter.id IS NULL
    ) OR EXISTS (
        SELECT FROM (SELECT DISTINCT agency_id, agent_id FROM fresh
                     WHERE agent_id IS NOT NULL) AS day
        LEFT JOIN seats_agent AS agent
            ON agent.id = day.agent_id AND agent.agency_id = day.agency_id
        WHERE agent.id IS NULL
    ) THEN
        RAISE EXCEPTION 'a usage day names a meter, and an agent of its agency'
            USING ERRCODE = 'foreign_key_violation',
                  CONSTRAINT = 'usage_day_names_what_exists';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER usage_day_names_what_exists
    AFTER INSERT ON billing_usageday
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION usage_day_names_what_exists();

-- Days are updated all month, so pages keep room for that; ids are taken by the block.
ALTER TABLE billing_usageday SET (fillfactor = 75);
ALTER SEQUENCE billing_usageday_id_seq CACHE 1000;
