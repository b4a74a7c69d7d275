"""Reading agencies."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from django.db import connection

from seats.agencies.models import AgencyZone, Upline
from seats.periods import ZonePeriod, local_date

DOWNLINE = """
    WITH RECURSIVE below(agency_id) AS (
        SELECT %(root)s::bigint
        UNION
        SELECT edge.agency_id FROM seats_upline AS edge
        JOIN below ON edge.upline_id = below.agency_id
        WHERE edge.starts_on <= %(on)s AND (edge.ends_on IS NULL OR edge.ends_on > %(on)s)
    )
    SELECT agency_id FROM below
"""


def zones_of(agency_ids: Collection[int]) -> dict[int, list[ZonePeriod]]:
    """The zones of each agency in order of their start, in one query."""
    zones: dict[int, list[ZonePeriod]] = {}
    rows = AgencyZone.objects.filter(agency__in=agency_ids).order_by("starts_on")
    for agency_id, starts_on, zone in rows.values_list("agency", "starts_on", "zone"):
        zones.setdefault(agency_id, []).append(ZonePeriod(starts_on, zone))
    return zones


def uplines_of(dates: Mapping[int, date]) -> dict[int, str]:
    """The code of the upline of agencies, each on a date; those without: absent."""
    edges = Upline.objects.filter(agency__in=dates).select_related("upline")
    return {
        edge.agency_id: edge.upline.code
        for edge in edges
        if edge.starts_on <= dates[edge.agency_id]
        and (edge.ends_on is None or edge.ends_on > dates[edge.agency_id])
    }


def downline_of(agency_id: int, *, on: date) -> set[int]:
    """The ids of an agency and everybody below it on a date."""
    with connection.cursor() as cursor:
        cursor.execute(DOWNLINE, {"root": agency_id, "on": on})
        return {row[0] for row in cursor.fetchall()}


def downline_today(agency_id: int, *, now: datetime) -> set[int]:
    """The ids of an agency and everybody below it, on the date it is there."""
    today = local_date(now, zones_of([agency_id])[agency_id])
    return downline_of(agency_id, on=today)
