-- Months of usage events come as partitions, and leave for files once they are billed.
--
-- The application may not create or detach tables. These functions run as the owner and
-- check what they are asked for, so that no event is lost on the way to a file.

REVOKE ALL ON billing_archivedmonth FROM :"app_role";
GRANT SELECT, INSERT ON billing_archivedmonth TO :"app_role";

CREATE OR REPLACE TRIGGER archived_month_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_archivedmonth
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A partition is created beside the table and attached: unlike CREATE .. PARTITION OF,
-- that waits neither for readers nor for writers.
CREATE OR REPLACE FUNCTION create_usage_partition(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'billing_usageevent_' || to_char(first, 'YYYY_MM');
BEGIN
    IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name)) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('billing_usageevent', 0));
    IF EXISTS (SELECT FROM billing_archivedmonth AS archived
               WHERE archived.month = first) THEN
        RAISE EXCEPTION 'the usage of % is archived', to_char(first, 'YYYY-MM')
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_month_is_archived';
    END IF;
    IF to_regclass(name) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE billing_usageevent INCLUDING ALL)', name);
        EXECUTE format('REVOKE ALL ON %I FROM %I', name, :'app_role');
        EXECUTE format(
            'ALTER TABLE billing_usageevent ATTACH PARTITION %I'
            ' FOR VALUES FROM (%L) TO (%L)',
            name, first, (first + interval '1 month')::date);
    END IF;
END $$;

-- Agencies with usage in a month that is stamped above what all their payers were billed.
CREATE OR REPLACE FUNCTION agencies_with_pending_usage(month date) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT counter.agency_id
    FROM seats_cutoffcounter AS counter
    CROSS JOIN LATERAL (
        SELECT min(coalesce(mark.billed_cutoff, 0)) AS cutoff
        FROM (
            SELECT counter.agency_id AS payer_id
            UNION
            SELECT share.payer_id FROM billing_payershare AS share
            JOIN billing_payershareset AS s ON s.id = share.share_set_id
            WHERE s.agency_id = counter.agency_id
        ) AS pair
        LEFT JOIN billing_watermark AS mark
            ON mark.payer_id = pair.payer_id AND mark.agency_id = counter.agency_id
    ) AS billed
    WHERE EXISTS (
        SELECT FROM generate_series(billed.cutoff + 1, counter.cutoff) AS open(cutoff)
        JOIN billing_usageday AS day
            ON day.agency_id = counter.agency_id AND day.cutoff = open.cutoff
           AND day.used_on >= date_trunc('month', month)::date
           AND day.used_on < (date_trunc('month', month) + interval '1 month')::date)
    ORDER BY counter.agency_id
$$;

-- The rows are counted before the lock. What was written since would be stamped with an
-- open cut-off, in the usage days too, so under the lock a look at those is enough.
CREATE OR REPLACE FUNCTION detach_usage_partition(month date, wait_ms integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'billing_usageevent_' || to_char(first, 'YYYY_MM');
    recorded bigint;
    stored bigint;
BEGIN
    SELECT archived.rows INTO recorded FROM billing_archivedmonth AS archived
    WHERE archived.month = first;
    EXECUTE format('SELECT count(*) FROM %I', name) INTO stored;
    IF recorded IS DISTINCT FROM stored THEN
        RAISE EXCEPTION 'the archive of % has % rows, the table %',
            to_char(first, 'YYYY-MM'), coalesce(recorded::text, 'no'), stored
            USING ERRCODE = 'check_violation', CONSTRAINT = 'an_archive_has_all_rows';
    END IF;
    PERFORM set_config('lock_timeout', wait_ms::text, true);
    PERFORM pg_advisory_xact_lock(hashtextextended('billing_usageevent', 0));
    LOCK TABLE ONLY billing_usageevent IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM agencies_with_pending_usage(first)) THEN
        RAISE EXCEPTION 'usage of % is not billed yet', to_char(first, 'YYYY-MM')
            USING ERRCODE = 'check_violation', CONSTRAINT = 'an_archive_has_all_rows';
    END IF;
    EXECUTE format('ALTER TABLE billing_usageevent DETACH PARTITION %I', name);
END $$;

-- Checked at the end of the transaction that records the month and then detaches it.
CREATE OR REPLACE FUNCTION archived_month_is_detached() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'billing_usageevent'::regclass
        AND inhrelid = to_regclass(
            'billing_usageevent_' || to_char(NEW.month, 'YYYY_MM'))
    ) THEN
        RAISE EXCEPTION 'an archived month has left the table'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'archived_month_is_detached';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS archived_month_is_detached ON billing_archivedmonth;
CREATE CONSTRAINT TRIGGER archived_month_is_detached
    AFTER INSERT ON billing_archivedmonth
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION archived_month_is_detached();

-- They run as the owner, so that nobody else may call them.
REVOKE ALL ON FUNCTION create_usage_partition(date), detach_usage_partition(date, integer)
    FROM PUBLIC;
GRANT EXECUTE
    ON FUNCTION create_usage_partition(date), detach_usage_partition(date, integer)
    TO :"app_role";
