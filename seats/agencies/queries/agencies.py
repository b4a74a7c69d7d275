"""Reading the time zones, local dates and uplines of agencies."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from core.periods import ZonePeriod, local_date
from seats.agencies.models import AgencyZone, Upline


def zones_of(agency_ids: Collection[int]) -> dict[int, list[ZonePeriod]]:
    """The zones of each agency in order of their start, in one query."""
    zones: dict[int, list[ZonePeriod]] = {}
    rows = AgencyZone.objects.filter(agency__in=agency_ids).order_by("starts_on")
    for agency_id, starts_on, zone in rows.values_list("agency", "starts_on", "zone"):
        zones.setdefault(agency_id, []).append(ZonePeriod(starts_on, zone))
    return zones


def local_dates(agency_ids: Collection[int], *, now: datetime) -> dict[int, date]:
    """The local date of each agency at `now`, by agency id, in one query."""
    return {pk: local_date(now, zones) for pk, zones in zones_of(agency_ids).items()}


def uplines_of(dates: Mapping[int, date]) -> dict[int, str]:
    """The upline's code of each agency on its date, by id; absent without an upline."""
    edges = Upline.objects.filter(agency__in=dates).select_related("upline")
    return {
        edge.agency_id: edge.upline.code
        for edge in edges
        if edge.starts_on <= dates[edge.agency_id]
        and (edge.ends_on is None or edge.ends_on > dates[edge.agency_id])
    }
