"""What the database itself refuses about agencies, seats and cut-offs."""

from django.db import migrations

from core.postgres.privileges import grant_defaults, restrict

STAMPS = """
CREATE FUNCTION fact_has_current_stamp() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT agency_id, cutoff FROM fresh) AS fact
        LEFT JOIN seats_books AS books USING (agency_id)
        WHERE books.cutoff IS DISTINCT FROM fact.cutoff
    ) THEN
        RAISE EXCEPTION 'a fact in % lacks the current cut-off of its agency',
            TG_TABLE_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fact_has_current_stamp';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
END $$;

CREATE TRIGGER seat_version_has_current_stamp AFTER INSERT ON seats_seatversion
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();
CREATE TRIGGER seat_version_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON seats_seatversion
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER zone_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON seats_agencyzone
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

BOOKS = """
CREATE FUNCTION books_only_move_forward() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.agency_id <> OLD.agency_id OR NEW.cutoff < OLD.cutoff
       OR (OLD.closed_through IS NOT NULL
           AND NEW.closed_through IS DISTINCT FROM
               greatest(NEW.closed_through, OLD.closed_through)) THEN
        RAISE EXCEPTION 'the books of agency % only move forward', OLD.agency_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'books_only_move_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER books_only_move_forward BEFORE UPDATE ON seats_books
    FOR EACH ROW EXECUTE FUNCTION books_only_move_forward();

CREATE FUNCTION agency_keeps_code_and_currency() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an agency keeps its code and its currency'
        USING ERRCODE = 'check_violation',
              CONSTRAINT = 'agency_keeps_code_and_currency';
END $$;
CREATE TRIGGER agency_keeps_code_and_currency BEFORE UPDATE ON seats_agency
    FOR EACH ROW
    WHEN (OLD.code <> NEW.code OR OLD.currency <> NEW.currency
          OR OLD.public_id <> NEW.public_id)
    EXECUTE FUNCTION agency_keeps_code_and_currency();
"""

# Walks up from the new upline over edges that hold at one and the same time.
# The lock makes two concurrent edges that close a cycle see each other.
UPLINES = """
CREATE FUNCTION upline_makes_no_cycle() RETURNS trigger
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
CREATE TRIGGER upline_makes_no_cycle AFTER INSERT OR UPDATE ON seats_upline
    FOR EACH ROW EXECUTE FUNCTION upline_makes_no_cycle();
"""

# A row can never point at an agent or a seat of another agency.
SAME_AGENCY = """
ALTER TABLE seats_seat ADD CONSTRAINT seat_is_held_within_its_agency
    FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
ALTER TABLE seats_seatholding
    ADD CONSTRAINT holding_names_the_agency_of_its_seat
    FOREIGN KEY (agency_id, seat_id) REFERENCES seats_seat (agency_id, id),
    ADD CONSTRAINT holding_names_the_agency_of_its_agent
    FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
ALTER TABLE seats_seatversion
    ADD CONSTRAINT version_names_the_agency_of_its_seat
    FOREIGN KEY (agency_id, seat_id) REFERENCES seats_seat (agency_id, id),
    ADD CONSTRAINT version_names_the_agency_of_its_agent
    FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
ALTER TABLE seats_member ADD CONSTRAINT member_is_an_agent_of_the_agency
    FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
"""


class Migration(migrations.Migration):
    dependencies = [("seats", "0001_initial")]

    operations = [
        grant_defaults(),
        restrict(
            {
                "seats_seatversion": "SELECT, INSERT",
                "seats_agencyzone": "SELECT, INSERT",
                "seats_agency": "SELECT, INSERT, UPDATE",
                "seats_books": "SELECT, INSERT, UPDATE",
                "seats_seat": "SELECT, INSERT, UPDATE",
            }
        ),
        *(
            migrations.RunSQL(sql, migrations.RunSQL.noop)
            for sql in (STAMPS, BOOKS, UPLINES, SAME_AGENCY)
        ),
    ]
