"""Long SQL statements of budgets."""

# By span, meter and agent: the billable usage of a month until today, from today on, and
# of the month before. Usage days are read once; LATERAL makes it an index scan for each span.
MONTH_USES = """
    SELECT span.n, meter.code, used.agent_id, used.elapsed, used.rest, used.before
    FROM unnest(%s::bigint[], %s::date[], %s::date[], %s::date[], %s::date[])
        WITH ORDINALITY AS span(agency_id, before, month, over, ends_on, n)
    CROSS JOIN LATERAL (
        SELECT day.meter_id, day.agent_id,
            coalesce(sum(day.billable) FILTER (
                WHERE day.used_on >= span.month AND day.used_on < span.over), 0)
                AS elapsed,
            coalesce(sum(day.billable) FILTER (WHERE day.used_on >= span.over), 0)
                AS rest,
            coalesce(sum(day.billable) FILTER (WHERE day.used_on < span.month), 0)
                AS before
        FROM billing_usageday AS day
        WHERE day.agency_id = span.agency_id
          AND day.used_on >= span.before AND day.used_on < span.ends_on
        GROUP BY day.meter_id, day.agent_id
    ) AS used
    JOIN billing_meter AS meter ON meter.id = used.meter_id
"""
