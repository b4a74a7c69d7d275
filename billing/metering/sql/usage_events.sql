-- Usage events: the calls themselves, partitioned by the month of their local date.
--
-- Django knows the table as an unmanaged model; a migration that alters it changes this
-- file too. It has no foreign keys, as a check
-- for each row would cost as much as the row: usage days are checked for each statement.
-- Ids are taken by the block, so that a batch asks the sequence once.

CREATE SEQUENCE IF NOT EXISTS billing_usageevent_id_seq
    AS bigint INCREMENT BY 10000 CACHE 1;
GRANT USAGE, SELECT ON SEQUENCE billing_usageevent_id_seq TO :"app_role";

CREATE TABLE IF NOT EXISTS billing_usageevent (
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
    raw numeric(20, 6) NOT NULL,
    billable numeric(20, 6) NOT NULL,
    properties jsonb NOT NULL,
    cutoff bigint NOT NULL,
    supersedes varchar(200),
    reverses bigint,
    PRIMARY KEY (id, used_on),
    CONSTRAINT usage_is_a_quantity CHECK (
        raw <> 'NaN' AND CASE WHEN reverses IS NULL THEN raw >= 0 ELSE raw <= 0 END),
    CONSTRAINT billable_is_a_quantity CHECK (
        billable <> 'NaN'
        AND CASE WHEN reverses IS NULL THEN billable >= 0 ELSE billable <= 0 END)
) PARTITION BY RANGE (used_on);

CREATE INDEX IF NOT EXISTS billing_usageevent_by_agency
    ON billing_usageevent (agency_id, used_on, meter_id);
CREATE UNIQUE INDEX IF NOT EXISTS an_event_is_reversed_once
    ON billing_usageevent (reverses, used_on) WHERE reverses IS NOT NULL;

-- Events are facts: stamped, and never changed. A correction is an event below zero.
REVOKE ALL ON billing_usageevent FROM :"app_role";
GRANT SELECT, INSERT ON billing_usageevent TO :"app_role";

CREATE OR REPLACE TRIGGER usage_event_has_current_stamp
    AFTER INSERT ON billing_usageevent
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fact_has_current_stamp();

CREATE OR REPLACE TRIGGER usage_event_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_usageevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A key is what makes an event count once, also when its month is archived.
REVOKE ALL ON billing_eventkey FROM :"app_role";
GRANT SELECT, INSERT ON billing_eventkey TO :"app_role";

CREATE OR REPLACE TRIGGER event_key_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_eventkey
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
