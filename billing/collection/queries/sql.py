"""Long SQL statements of collection."""

# Seats that were changed at once count as one change. Of each agency only the latest versions are
# read, by the index on cut-offs, so a change of more seats than that counts fewer.
LATEST_SEAT_CHANGES = """
    SELECT version.agency_id, version.recorded_at, version.action, count(*),
           min(agent.name),
           min(CASE WHEN version.action IN ('remove', 'cancel')
                    THEN coalesce(version.removed_on, version.added_on)
                    ELSE version.held_from END)
    FROM unnest(%(agencies)s::bigint[]) AS shown(agency_id)
    CROSS JOIN LATERAL (
        SELECT * FROM seats_seatversion
        WHERE agency_id = shown.agency_id
        ORDER BY cutoff DESC, id DESC LIMIT 500
    ) AS version
    JOIN seats_agent AS agent ON agent.id = version.agent_id
    GROUP BY version.agency_id, version.recorded_at, version.action
    ORDER BY version.recorded_at DESC, version.agency_id, version.action
    LIMIT %(most)s
"""
