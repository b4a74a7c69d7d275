"""The page of one agency for staff: all that support needs, as panels from the rooms.

Panels stand in the order of their numbers: 100 who the agency is and who may do what,
200 seats, 300 money, 400 usage, 500 programs and mails, 600 what people did.
"""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from core.admin.pages import StaffPanels
from core.admin.panels import Cell, Link, Panel, Table
from core.periods import ZonePeriod, local_date, zone_on
from seats.agencies.models import Agency, Upline
from seats.agencies.queries.agencies import zones_of

SHOWN = 10  # rows of a table; its link leads to all of them
DAYS = timedelta(days=30)  # that charts of the page go back


def shown_agency(request: HttpRequest, code: str) -> Agency:
    """The agency that the page is about, read once. Raises Http404."""
    agency: Agency | None = request.__dict__.get("shown_agency")
    if agency is None:
        agency = Agency.objects.filter(code=code).first() if "\0" not in code else None
        if agency is None:
            raise Http404
        request.__dict__["shown_agency"] = agency
        request.__dict__["shown_zones"] = zones_of([agency.pk])[agency.pk]
    return agency


def zones_shown(request: HttpRequest, code: str) -> list[ZonePeriod]:
    """The zones of the agency that the page is about."""
    shown_agency(request, code)
    zones: list[ZonePeriod] = request.__dict__["shown_zones"]
    return zones


def page_title(request: HttpRequest, code: str) -> str:
    """The agency's name and code."""
    return str(shown_agency(request, code))


def page_of_agency(code: str) -> str:
    """The address of the page of an agency."""
    return reverse("admin:agency", args=[code])


def list_for(text: str, name: str, column: str, agency: Agency, **query: Any) -> Link:
    """A link to a list of the staff site, limited to the agency."""
    parts = {f"{column}__id__exact": agency.pk, **query}
    address = reverse(f"admin:{name}_changelist")
    return Link(text, f"{address}?{'&'.join(f'{k}={v}' for k, v in parts.items())}")


def row_link(name: str, row: Any, text: str = "") -> Link:
    """A link to the page of a row."""
    return Link(text or str(row), reverse(f"admin:{name}_change", args=[row.pk]))


def first_rows(rows: QuerySet[Any]) -> list[Any]:
    """As many rows as a table of the page shows."""
    return list(rows[:SHOWN])


def links_of_page(request: HttpRequest, code: str) -> list[Link]:
    """What is done with the agency itself, for who may."""
    agency = shown_agency(request, code)
    may = request.user.has_perm
    links = []
    if may("seats.change_agency"):
        address = reverse("admin:seats_agency_change", args=[agency.pk])
        links.append(Link("Change the name", address))
    if may("seats.move_agency") or may("seats.change_zone_agency"):
        address = reverse("admin:seats_agency_changelist")
        links.append(Link("Move it, or change its zone", f"{address}?q={agency.code}"))
    return links


AGENCY = StaffPanels(
    name="agency",
    path="agency/<str:code>/",
    title=page_title,
    permission="seats.view_agency",
    links=links_of_page,
)


@AGENCY.panel("agency", order=100)
def agency_panel(request: HttpRequest, code: str) -> Panel:
    """Names, zone, currency and age."""
    agency = shown_agency(request, code)
    zones = zones_shown(request, code)
    today = local_date(timezone.now(), zones)
    later = [period for period in zones if period.starts_on > today]
    zone_rows: list[list[Cell]] = [
        ["Time zone", f"{period.zone} from {period.starts_on}"] for period in later
    ]
    rows: list[list[Cell]] = [
        ["Code", agency.code],
        ["Name", agency.name],
        ["Time zone", zone_on(zones, today)],
        *zone_rows,
        ["Today there", str(today)],
        ["Currency", agency.currency],
        ["Added", f"{agency.created_at:%Y-%m-%d}"],
    ]
    return Panel(key="agency", title="Agency", table=Table(["What", "Is"], rows))


@AGENCY.panel("tree", order=110)
def tree_panel(request: HttpRequest, code: str) -> Panel:
    """The upline and the agencies right below, of today."""
    agency = shown_agency(request, code)
    today = local_date(timezone.now(), zones_shown(request, code))
    edges = Upline.objects.filter(starts_on__lte=today).exclude(ends_on__lte=today)
    above = edges.filter(agency=agency).select_related("upline").first()
    below = list(
        edges.filter(upline=agency)
        .select_related("agency")
        .order_by("agency__code")[: SHOWN + 1]
    )
    rows: list[list[Cell]] = []
    if above:
        rows.append([_page_link(above.upline), "upline", str(above.starts_on)])
    rows += [
        [_page_link(edge.agency), "below it", str(edge.starts_on)]
        for edge in below[:SHOWN]
    ]
    more = [f"More than {SHOWN} agencies are below it."] if len(below) > SHOWN else []
    return Panel(
        key="tree",
        title="Upline and downline",
        table=Table(
            ["Agency", "Is", "Since"], rows, empty="No agency is above or below it."
        ),
        sentences=more,
    )


def _page_link(agency: Agency) -> Link:
    return Link(str(agency), page_of_agency(agency.code))
