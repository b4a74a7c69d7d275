"""Usage events, partitioned by the month of their local date."""

from django.db import migrations

from core.postgres.privileges import app_role, restrict

EVENTS = """
CREATE SEQUENCE billing_usageevent_id_seq AS bigint CACHE 1000;
CREATE TABLE billing_usageevent (
    id bigint NOT NULL,
    used_on date NOT NULL,
    agency_id bigint NOT NULL,
    agent_id bigint,
    meter_id bigint NOT NULL,
    breakdown varchar(40) NOT NULL,
    owner bigint NOT NULL,
    source varchar(200) NOT NULL,
    external_id varchar(200) NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    raw numeric(20, 6) NOT NULL
        CONSTRAINT usage_is_a_quantity CHECK (raw >= 0 AND raw <> 'NaN'),
    billable numeric(20, 6) NOT NULL
        CONSTRAINT billable_is_a_quantity CHECK (billable >= 0 AND billable <> 'NaN'),
    properties jsonb NOT NULL,
    cutoff bigint NOT NULL,
    PRIMARY KEY (id, used_on)
) PARTITION BY RANGE (used_on);
CREATE INDEX billing_usageevent_by_agency
    ON billing_usageevent (agency_id, used_on, meter_id);

CREATE FUNCTION create_usage_partition(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'billing_usageevent_' || to_char(first, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('billing_usageevent', 0));
    IF to_regclass(name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF billing_usageevent'
            ' FOR VALUES FROM (%L) TO (%L)',
            name, first, (first + interval '1 month')::date);
        EXECUTE format('REVOKE ALL ON %I FROM %I', name, __ROLE__);
    END IF;
END $$;

CREATE TRIGGER usage_event_has_current_stamp AFTER INSERT ON billing_usageevent
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();
CREATE TRIGGER usage_event_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_usageevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER event_key_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_eventkey
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# A day is written under the open cut-off and frozen once that is taken.
DAYS = """
CREATE FUNCTION usage_day_is_open() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT agency_id, cutoff FROM before) AS fact
        LEFT JOIN seats_books AS books USING (agency_id)
        WHERE books.cutoff IS DISTINCT FROM fact.cutoff
    ) THEN
        RAISE EXCEPTION 'a usage day is frozen once its cut-off is taken'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_is_open';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_day_is_open AFTER UPDATE ON billing_usageday
    REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION usage_day_is_open();
CREATE TRIGGER usage_day_has_current_stamp AFTER INSERT ON billing_usageday
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();
CREATE TRIGGER usage_day_is_kept BEFORE DELETE OR TRUNCATE ON billing_usageday
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION usage_day_names_what_exists() RETURNS trigger
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
CREATE TRIGGER usage_day_names_what_exists AFTER INSERT ON billing_usageday
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION usage_day_names_what_exists();
"""


def create_events(apps, schema_editor):
    role = schema_editor.quote_value(app_role())
    schema_editor.execute(EVENTS.replace("__ROLE__", role), params=None)


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("seats", "0002_guards")]

    operations = [
        migrations.RunPython(create_events, migrations.RunPython.noop),
        migrations.RunSQL(DAYS, migrations.RunSQL.noop),
        restrict(
            {
                "billing_usageevent": "SELECT, INSERT",
                "billing_eventkey": "SELECT, INSERT",
                "billing_usageday": "SELECT, INSERT, UPDATE (events, raw, billable)",
                "billing_usageconflict": "SELECT, INSERT",
                "billing_meter": "SELECT, INSERT, UPDATE",
                "seats_agent": "SELECT, INSERT, UPDATE",
            }
        ),
    ]
