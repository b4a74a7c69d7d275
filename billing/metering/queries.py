"""Reading usage."""

from collections.abc import Collection, Mapping
from datetime import date

from django.db import connection

# A call that was taken back leaves rows that cancel out over the cut-offs.
LAST_USES = """
    SELECT told.seat_id, max(used.used_on)
    FROM unnest(%(seats)s::bigint[], %(dates)s::date[]) AS told(seat_id, after)
    JOIN seats_seatholding AS holding ON holding.seat_id = told.seat_id
    JOIN (
        SELECT agency_id, agent_id, used_on
        FROM billing_usageday
        WHERE agency_id = ANY(%(agencies)s) AND used_on > %(first)s
        GROUP BY agency_id, agent_id, used_on
        HAVING sum(billable) > 0
    ) AS used
        ON used.agency_id = holding.agency_id AND used.agent_id = holding.agent_id
       AND used.used_on > told.after AND used.used_on >= holding.starts_on
       AND (holding.ends_on IS NULL OR used.used_on < holding.ends_on)
    GROUP BY told.seat_id
"""


def last_usage_dates(
    after: Mapping[int, date], *, agency_ids: Collection[int]
) -> dict[int, date]:
    """The last local date, after a date given for each seat, with a counted call.

    A call counts for the seat that its agent held then. By seat id, in one query over
    the days of these agencies, which are those of the seats; unused seats: absent.
    """
    if not after:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            LAST_USES,
            {
                "seats": list(after),
                "dates": list(after.values()),
                "agencies": list(agency_ids),
                "first": min(after.values()),
            },
        )
        return dict(cursor.fetchall())
