"""Reading usage."""

from collections.abc import Collection, Mapping
from datetime import date

from django.db import connection

from seats.arrays import array_text

SAME, CONFLICT, WAITED = "same", "conflict", "waited"
TOLD_BEFORE = """
    SELECT told.n, CASE WHEN counted.event_id IS NULL THEN 'waited'
                        WHEN counted.content = told.content THEN 'same'
                        ELSE 'conflict' END
    FROM unnest(%s::int[], %s::uuid[], %s::uuid[]) AS told(n, key, content)
    JOIN billing_eventkey AS counted USING (key)
"""


def told_before(told: Mapping[int, tuple[str, str]]) -> dict[int, str]:
    """Of (key, content) in hex, by any number: whether the key was counted with the
    SAME content, with another (CONFLICT), or WAITED for its event, which was superseded
    before it came. Keys that are new: absent.
    """
    if not told:
        return {}
    keys, contents = zip(*told.values(), strict=True)
    columns = [array_text(told), array_text(keys), array_text(contents)]
    with connection.cursor() as cursor:
        cursor.execute(TOLD_BEFORE, columns)
        return dict(cursor.fetchall())


# A call that was taken back leaves rows that cancel out over the cut-offs.
LAST_USES = """
    SELECT told.seat_id, max(used.used_on)
    FROM unnest(%(seats)s::bigint[], %(dates)s::date[]) AS told(seat_id, after)
    JOIN seats_seatholding AS holding ON holding.seat_id = told.seat_id
    JOIN (
        SELECT agency_id, agent_id, used_on
        FROM billing_usageday
        WHERE agency_id = ANY(%(agencies)s::bigint[]) AND used_on > %(first)s
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
                "seats": array_text(after),
                "dates": array_text(after.values()),
                "agencies": array_text(agency_ids),
                "first": min(after.values()),
            },
        )
        return dict(cursor.fetchall())
