"""The seats of an agency, on its page for staff."""

from django.http import HttpRequest
from django.utils import timezone

from core.admin.panels import ChartKind, Panel, Table
from core.periods import local_date
from seats.agencies.admin.support import (
    AGENCY,
    DAYS,
    list_for,
    shown_agency,
    zones_shown,
)
from seats.roster.queries import seats_by_day


@AGENCY.panel("seats", order=200, permission="seats.view_seat")
def seats_panel(request: HttpRequest, code: str) -> Panel:
    """The seats of today, and of each of the last days, by local dates."""
    agency = shown_agency(request, code)
    today = local_date(timezone.now(), zones_shown(request, code))
    days = seats_by_day([agency.pk], first=today - DAYS, last=today)
    counts = [day.seats for day in days]
    return Panel(
        key="seats",
        title="Seats today",
        figure=counts[-1],
        table=Table(["Date", "Seats"], [[day.day, day.seats] for day in days]),
        chart=ChartKind.LINE,
        summary=f"Seats by day since {days[0].day}: between {min(counts)} and"
        f" {max(counts)}, {counts[-1]} today.",
        links=[
            list_for("All seats", "seats_seat", "agency", agency),
            list_for("All agents", "seats_agent", "agency", agency),
        ],
    )
