"""Columns of lists of agencies: what holds for each of them on a date."""

from datetime import date

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from seats.agencies.models import Agency, AgencyZone, Upline


def seats_on(today: date) -> Coalesce:
    """The number of seats, counted by a subquery only for the agencies of a page."""
    ends_later = Q(seats__removed_on__isnull=True) | Q(seats__removed_on__gt=today)
    seated = ends_later & Q(seats__cancelled=False, seats__added_on__lte=today)
    same = Agency.objects.filter(pk=OuterRef("pk")).order_by().values("pk")
    counted = same.annotate(count=Count("seats", filter=seated)).values("count")
    return Coalesce(Subquery(counted), 0)


def upline_on(today: date) -> Subquery:
    """The code of the upline of each agency on a date."""
    edges = Upline.objects.filter(agency=OuterRef("pk"), starts_on__lte=today).exclude(
        ends_on__lte=today
    )
    return Subquery(edges.values("upline__code")[:1])


def zone_on(today: date) -> Subquery:
    """The time zone of each agency on a date."""
    zones = AgencyZone.objects.filter(agency=OuterRef("pk"), starts_on__lte=today)
    return Subquery(zones.order_by("-starts_on").values("zone")[:1])
