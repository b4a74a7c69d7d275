-- An agency keeps what others know it by, and its currency; its time zones are history.
--
-- Documents name the code, and amounts of an agency are in one currency for ever. A
-- date that was fixed by a time zone stays fixed.

REVOKE ALL ON seats_agency FROM :"app_role";
GRANT SELECT, INSERT, UPDATE ON seats_agency TO :"app_role";

CREATE OR REPLACE FUNCTION agency_keeps_code_and_currency() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an agency keeps its code and its currency'
        USING ERRCODE = 'check_violation',
              CONSTRAINT = 'agency_keeps_code_and_currency';
END $$;

CREATE OR REPLACE TRIGGER agency_keeps_code_and_currency
    BEFORE UPDATE ON seats_agency
    FOR EACH ROW
    WHEN (OLD.code <> NEW.code OR OLD.currency <> NEW.currency
          OR OLD.public_id <> NEW.public_id)
    EXECUTE FUNCTION agency_keeps_code_and_currency();

REVOKE ALL ON seats_agencyzone FROM :"app_role";
GRANT SELECT, INSERT ON seats_agencyzone TO :"app_role";

CREATE OR REPLACE TRIGGER zone_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON seats_agencyzone
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
