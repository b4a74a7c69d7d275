"""Long SQL statements of metering: the comparison of a file with stored events."""

# Both sides, and the pairs between them; dropped first, since a transaction may compare twice.
COMPARISON_TABLES = """
    DROP TABLE IF EXISTS pg_temp.file_event, pg_temp.stored_event, pg_temp.paired,
        pg_temp.file_leg, pg_temp.file_link, pg_temp.unreadable;
    CREATE TEMPORARY TABLE file_event (
        n bigint, id text, agent text, meter text, quantity numeric,
        at timestamptz, second timestamptz, used_on date, former text
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE file_leg (
        n bigint, conversation text, content jsonb
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE file_link (name text, conversation text) ON COMMIT DROP;
    CREATE TEMPORARY TABLE unreadable (n bigint, why text) ON COMMIT DROP;
    CREATE TEMPORARY TABLE paired (stored_n bigint, file_n bigint) ON COMMIT DROP;
    CREATE TEMPORARY TABLE stored_event (LIKE file_event) ON COMMIT DROP;
    ALTER TABLE stored_event ADD replaces text;
"""

# The legs that a name links are of one conversation: each takes the least name of those that
# share one with it. Repeated until nothing changes, since a leg may name another in turn.
LINK_FILE_LEGS = """
    WITH least AS (
        SELECT name, min(conversation) AS conversation FROM file_link GROUP BY name
    ), joined AS (
        SELECT link.conversation AS old, min(least.conversation) AS new
        FROM file_link AS link JOIN least USING (name)
        GROUP BY link.conversation
    ), changed AS (
        SELECT old, new FROM joined WHERE new < old
    ), links AS (
        UPDATE file_link SET conversation = changed.new
        FROM changed WHERE file_link.conversation = changed.old
    )
    UPDATE file_leg SET conversation = changed.new
    FROM changed WHERE file_leg.conversation = changed.old
"""

# An event counts with its reversal; one that nets to zero is left out.
READ_STORED_EVENTS = """
    INSERT INTO stored_event
    SELECT event.id, event.external_id, agent.external_id, meter.code, net.quantity,
           event.occurred_at, date_trunc('second', event.occurred_at), event.used_on,
           NULL, event.supersedes
    FROM billing_usageevent AS event
    JOIN billing_meter AS meter ON meter.id = event.meter_id
    LEFT JOIN seats_agent AS agent ON agent.id = event.agent_id
    LEFT JOIN billing_usageevent AS back
        ON back.reverses = event.id AND back.used_on = event.used_on,
    LATERAL (SELECT event.raw + coalesce(back.raw, 0) AS quantity) AS net
    WHERE event.agency_id = %(agency)s AND event.reverses IS NULL
      AND event.used_on >= %(first)s AND event.used_on < %(end)s
      AND (%(source)s = '' OR event.source = %(source)s)
      AND (back.id IS NULL OR net.quantity <> 0)
"""

# Equal keys are paired one to one; the rest is left for the next pass.
PAIR_EVENTS = """
    INSERT INTO paired
    SELECT stored.n, file.n
    FROM (
        SELECT n, {stored_columns},
               row_number() OVER (PARTITION BY {stored_columns} ORDER BY n) AS nth
        FROM stored_event
        WHERE NOT EXISTS (SELECT FROM paired WHERE paired.stored_n = stored_event.n)
          AND {stored_condition}
    ) AS stored (n, {names}, nth)
    JOIN (
        SELECT n, {file_columns},
               row_number() OVER (PARTITION BY {file_columns} ORDER BY n) AS nth
        FROM file_event
        WHERE NOT EXISTS (SELECT FROM paired WHERE paired.file_n = file_event.n)
          AND {file_condition}
    ) AS file (n, {names}, nth) USING ({names}, nth)
"""

# Every pair and every record without a partner that counts in the month, with the kind of its
# difference. The statements below begin with it.
COMPARED = """
    WITH sides AS (
        SELECT stored.id AS stored_id, stored.agent AS stored_agent,
               stored.at AS stored_time, stored.meter AS stored_meter,
               stored.used_on AS stored_date, stored.quantity AS stored_quantity,
               file.id, file.agent, file.at, file.meter, file.used_on, file.quantity,
               coalesce(stored.used_on >= %(month)s AND stored.used_on < %(next)s, false)
                   AS stored_counts,
               coalesce(file.used_on >= %(month)s AND file.used_on < %(next)s, false)
                   AS file_counts
        FROM stored_event AS stored
        LEFT JOIN paired ON paired.stored_n = stored.n
        FULL JOIN file_event AS file ON file.n = paired.file_n
    ), compared AS (
        SELECT *, CASE
            WHEN stored_id IS NULL THEN 'only_in_file'
            WHEN id IS NULL THEN 'only_stored'
            WHEN stored_meter <> meter THEN 'other_meter'
            WHEN stored_date <> used_on THEN 'other_day'
            WHEN stored_quantity <> quantity THEN 'other_quantity'
            ELSE 'equal' END AS kind,
            CASE WHEN stored_counts THEN stored_quantity ELSE 0 END AS stored_sum,
            CASE WHEN file_counts THEN quantity ELSE 0 END AS file_sum
        FROM sides WHERE stored_counts OR file_counts
    )
"""

# Records and quantities of both sides, by kind and meter. Follows COMPARED.
COMPARISON_SUMS = """
    SELECT kind, coalesce(stored_meter, meter), count(*), sum(stored_sum), sum(file_sum)
    FROM compared GROUP BY 1, 2
    UNION ALL SELECT 'unreadable', '', count(*), 0, 0 FROM unreadable HAVING count(*) > 0
    ORDER BY 1, 2
"""

# What differs, by kind and time, and whether the other side has the id of a record without a
# partner at all. Follows COMPARED.
COMPARISON_DIFFERENCES = """
    SELECT kind, coalesce(stored_id, id), coalesce(stored_agent, agent, ''),
           coalesce(stored_time, at), stored_quantity, quantity, stored_sum - file_sum,
           CASE kind
               WHEN 'only_in_file'
                   THEN EXISTS (SELECT FROM stored_event WHERE id = compared.id)
               WHEN 'only_stored'
                   THEN EXISTS (SELECT FROM file_event WHERE id = stored_id)
           END,
           stored_meter, meter, stored_date, used_on
    FROM compared WHERE kind <> 'equal'
    ORDER BY kind, coalesce(stored_time, at), coalesce(stored_id, id)
"""

# Seats that were there on all dates of their agency's span, without an event of any agent who
# held them on a date of it; unless the events of the agency name no agent.
IDLE_SEATS = """
    WITH span AS (
        SELECT * FROM unnest(%s::bigint[], %s::date[], %s::date[])
            AS span(agency_id, since, today)
    ), used AS MATERIALIZED (
        SELECT day.agency_id, day.agent_id, day.used_on
        FROM span CROSS JOIN LATERAL (
            SELECT agency_id, agent_id, used_on FROM billing_usageday
            WHERE agency_id = span.agency_id
              AND used_on >= span.since AND used_on <= span.today
            GROUP BY agency_id, agent_id, used_on HAVING sum(events) > 0) AS day
    ), nameless AS (
        SELECT agency_id FROM used GROUP BY agency_id HAVING count(agent_id) = 0
    )
    SELECT seat.id, seat.agency_id, agent.id,
           agent.name || ' (' || agent.external_id || ')', seat.added_on
    FROM span
    JOIN seats_seat AS seat USING (agency_id)
    JOIN seats_agent AS agent ON agent.id = seat.agent_id
    WHERE NOT seat.cancelled AND seat.removed_on IS NULL AND seat.added_on <= span.since
      AND NOT EXISTS (SELECT FROM nameless WHERE nameless.agency_id = seat.agency_id)
      AND NOT EXISTS (
          SELECT FROM seats_seatholding AS holding
          JOIN used ON used.agent_id = holding.agent_id
              AND used.used_on >= holding.starts_on
              AND (holding.ends_on IS NULL OR used.used_on < holding.ends_on)
          WHERE holding.seat_id = seat.id)
    ORDER BY seat.agency_id, agent.name, seat.id
"""

# The last date with an event, by agent.
LAST_USE = """
    SELECT agent_id, max(used_on) FROM (
        SELECT agent_id, used_on FROM billing_usageday
        WHERE agency_id = ANY(%(agencies)s::bigint[]) AND used_on >= %(since)s
          AND agent_id = ANY(%(agents)s::bigint[])
        GROUP BY agent_id, used_on HAVING sum(events) > 0
    ) AS used GROUP BY agent_id
"""
