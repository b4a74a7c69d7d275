"""What the keys of events say."""

from collections.abc import Mapping

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
