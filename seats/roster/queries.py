"""Reading seats: holders on record, last changes, waived days, and seats by day."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Q, Sum

from core.periods import DAY, local_date
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


@dataclass(frozen=True, slots=True)
class LastChange:
    """The newest version of a seat, and the one before it.

    `other` is the seat at the other end of a transfer, if the change is one.
    """

    seat: Seat
    newest: SeatVersion
    previous: SeatVersion | None
    other: Seat | None = None


def last_changes(seats: Sequence[Seat]) -> dict[int, LastChange]:
    """The last change of each seat, by seat id, in two queries."""
    ids = [seat.pk for seat in seats]
    versions: dict[int, list[SeatVersion]] = {}
    rows = SeatVersion.objects.filter(seat__in=ids, number__gte=F("seat__version") - 1)
    for row in rows.select_related("agent").order_by("seat", "number"):
        versions.setdefault(row.seat_id, []).append(row)
    others = _other_ends(seats)
    changes = {}
    for seat in seats:
        *earlier, newest = versions[seat.pk]
        previous = earlier[0] if earlier else None
        is_transfer = newest.action == SeatVersion.Action.TRANSFER
        other = others.get(seat.pk) if is_transfer else None
        changes[seat.pk] = LastChange(seat, newest, previous, other)
    return changes


def _other_ends(seats: Sequence[Seat]) -> dict[int, Seat]:
    """The seat that each was transferred to, or else from, by seat id."""
    from_ids = {seat.transferred_from_id for seat in seats} - {None}
    rows = Seat.objects.select_related("agency", "agent").filter(
        Q(transferred_from__in=[seat.pk for seat in seats]) | Q(pk__in=from_ids)
    )
    by_id: dict[int | None, Seat] = {}
    following: dict[int, Seat] = {}
    for row in rows.order_by("pk"):
        by_id[row.pk] = row
        if row.transferred_from_id is not None:
            following[row.transferred_from_id] = row
    ends = {
        seat.pk: following.get(seat.pk) or by_id.get(seat.transferred_from_id)
        for seat in seats
    }
    return {pk: end for pk, end in ends.items() if end is not None}


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


class SeatCount(NamedTuple):
    """The seats of a local date, and how many were added or ended on it."""

    day: date
    seats: int
    joins: int
    exits: int


# NULL: the seats of the date before the first. A seat is there on at least one date.
SEAT_MOVES = """
    WITH seat AS (
        SELECT added_on, CASE WHEN removed_on = added_on THEN added_on + 1
                              ELSE removed_on END AS ended_on
        FROM seats_seat
        WHERE agency_id = ANY(%(agencies)s::bigint[]) AND NOT cancelled
          AND added_on <= %(last)s
    )
    SELECT NULL::date, count(*), 0 FROM seat
    WHERE added_on < %(first)s AND (ended_on IS NULL OR ended_on >= %(first)s)
    UNION ALL
    SELECT added_on, count(*), 0 FROM seat WHERE added_on >= %(first)s GROUP BY 1
    UNION ALL
    SELECT ended_on, 0, count(*) FROM seat
    WHERE ended_on >= %(first)s AND ended_on <= %(last)s GROUP BY 1
"""


def seats_by_day(
    agency_ids: Collection[int], *, first: date, last: date
) -> list[SeatCount]:
    """The seats of agencies on each date from `first` to `last`, both included.

    Dates are local to each agency. A seat that ends is no longer counted on that date.
    One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            SEAT_MOVES,
            {"agencies": array_text(agency_ids), "first": first, "last": last},
        )
        rows = cursor.fetchall()
    joins: Counter[date | None] = Counter()
    exits: Counter[date | None] = Counter()
    for day, added, ended in rows:
        joins[day] += added
        exits[day] += ended
    seats, counts = joins[None], []
    for n in range((last - first).days + 1):
        day = first + n * DAY
        seats += joins[day] - exits[day]
        counts.append(SeatCount(day, seats, joins[day], exits[day]))
    return counts
