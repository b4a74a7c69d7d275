-- No agency stands above itself, on any date.
--
-- The function walks up from the new upline along edges that hold at the same time. The
-- lock makes two concurrent edges that would close a cycle see each other.

CREATE OR REPLACE FUNCTION upline_makes_no_cycle() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('seats_upline', 0));
    IF NEW.agency_id = NEW.upline_id OR EXISTS (
        WITH RECURSIVE above(agency_id, period) AS (
            SELECT NEW.upline_id, daterange(NEW.starts_on, NEW.ends_on)
            UNION
            SELECT edge.upline_id,
                   above.period * daterange(edge.starts_on, edge.ends_on)
            FROM above JOIN seats_upline AS edge USING (agency_id)
            WHERE above.period && daterange(edge.starts_on, edge.ends_on)
              AND above.agency_id <> NEW.agency_id
        )
        SELECT FROM above WHERE agency_id = NEW.agency_id
    ) THEN
        RAISE EXCEPTION 'agency % cannot stand above itself', NEW.agency_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'upline_makes_no_cycle';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER upline_makes_no_cycle
    AFTER INSERT OR UPDATE ON seats_upline
    FOR EACH ROW EXECUTE FUNCTION upline_makes_no_cycle();
