-- Rows that record a fact are never changed: a correction is a row of its own.
--
-- Tables use this function in a trigger, so that the owner is refused as well; the
-- application has no privilege to begin with.

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
END $$;
