"""Reading seats: their holders on record, waived days, and their number by day."""

from collections.abc import Sequence
from datetime import date

from django.db import connection
from django.db.models import F, Sum

from core.periods import local_date
from core.postgres.arrays import array_text
from seats.agencies.queries.agencies import zones_of
from seats.roster.domain.versions import HolderClaim, Version, claims_of
from seats.roster.models import Seat, SeatVersion

# Follows each seat back to the one it was transferred from, and so on.
ORIGINS = """
    WITH RECURSIVE origin(seat_id, id) AS (
        SELECT id, id FROM seats_seat WHERE id = ANY(%s::bigint[])
        UNION
        SELECT origin.seat_id, seat.transferred_from_id
        FROM origin JOIN seats_seat AS seat USING (id)
        WHERE seat.transferred_from_id IS NOT NULL
    )
    SELECT seat_id, id FROM origin
"""


def holders_on_record(seats: Sequence[Seat]) -> dict[int, list[HolderClaim]]:
    """All holders that were ever on record, by seat id.

    A transferred seat includes its holders before the transfer. Dates are local to the
    agency of the holder. A constant number of queries.
    """
    with connection.cursor() as cursor:
        cursor.execute(ORIGINS, [array_text(seat.pk for seat in seats)])
        origins = cursor.fetchall()
    own = _own_claims({origin for _, origin in origins})
    claims: dict[int, list[HolderClaim]] = {}
    for seat_id, origin in origins:
        claims.setdefault(seat_id, []).extend(own[origin])
    return claims


def version_of(row: SeatVersion) -> Version:
    """The pure value of a stored version."""
    return Version(
        row.agent_id, row.held_from, row.added_on, row.removed_on, row.cancelled
    )


def waived_days(seats: Sequence[Seat]) -> int:
    """How many used seat days the newest versions of these seats waived, in total."""
    newest = SeatVersion.objects.filter(
        seat__in=[seat.pk for seat in seats], number=F("seat__version")
    )
    return int(newest.aggregate(days=Sum("waived_days"))["days"] or 0)


def _own_claims(seat_ids: set[int]) -> dict[int, list[HolderClaim]]:
    """The holders on record by seat id, without those before a transfer."""
    rows: dict[int, list[SeatVersion]] = {}
    for row in SeatVersion.objects.filter(seat__in=seat_ids).order_by("seat", "number"):
        rows.setdefault(row.seat_id, []).append(row)
    zones = zones_of({own[0].agency_id for own in rows.values()})
    return {
        seat_id: claims_of(
            [version_of(row) for row in own],
            [local_date(row.recorded_at, zones[row.agency_id]) for row in own[1:]],
        )
        for seat_id, own in rows.items()
    }


# A seat of a single date counts on that date; see the rules of seat days.
SEATS_BY_DAY = """
    SELECT day::date, count(seat.id)
    FROM generate_series(%(first)s::date, %(last)s::date, '1 day') AS day
    LEFT JOIN seats_seat AS seat ON seat.agency_id = %(agency)s AND NOT seat.cancelled
        AND seat.added_on <= day
        AND (seat.removed_on IS NULL OR seat.removed_on > day
             OR seat.added_on = seat.removed_on AND seat.added_on = day)
    GROUP BY day ORDER BY day
"""


def seats_by_day(agency_id: int, *, first: date, last: date) -> list[tuple[date, int]]:
    """The number of seats of an agency on each local date, both ends included."""
    with connection.cursor() as cursor:
        cursor.execute(
            SEATS_BY_DAY, {"agency": agency_id, "first": first, "last": last}
        )
        return list(cursor.fetchall())
