"""The usage of an agency, on its page for staff."""

from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone

from billing.metering.models import QuarantinedEvent, UsageImport
from billing.metering.queries.usage import usage_totals
from core.admin.panels import Cell, ChartKind, Panel, Table
from core.admin.today import MOST, waiting
from core.periods import DateRange, local_date
from seats.agencies.admin.support import (
    AGENCY,
    DAYS,
    first_rows,
    list_for,
    row_link,
    shown_agency,
    zones_shown,
)


@AGENCY.panel("usage", order=400, permission="billing.view_usageday")
def usage_panel(request: HttpRequest, code: str) -> Panel:
    """The usage of the last days by meter, in billed units."""
    agency = shown_agency(request, code)
    today = local_date(timezone.now(), zones_shown(request, code))
    dates = DateRange(today - DAYS, today + timedelta(days=1))
    ids = {agency.pk}
    totals = usage_totals(agency_ids=ids, dates=dates, group_by=["day", "meter"])
    meters = sorted({total.group["meter"] for total in totals})
    by_day = {(t.group["day"], t.group["meter"]): t.quantity for t in totals}
    units = {t.group["meter"]: t.unit or "raw unit" for t in totals}
    days = [dates.start + timedelta(days=n) for n in range(DAYS.days + 1)]
    rows: list[list[Cell]] = [
        [day, *(by_day.get((day, meter)) or 0 for meter in meters)] for day in days
    ]
    return Panel(
        key="usage",
        title=f"Usage of {DAYS.days} days",
        sentences=[
            f"{meter}: {sum(t.events for t in totals if t.group['meter'] == meter):,}"
            f" events, in {units[meter]}s below"
            for meter in meters
        ],
        table=Table(
            ["Date", *meters],
            rows if meters else [],
            empty="It has used nothing in these days.",
        ),
        chart=ChartKind.STACKED,
        summary=f"Usage by day since {days[0]}, of {', '.join(meters) or 'nothing'}.",
        links=[list_for("All days", "billing_usageday", "agency", agency)],
    )


@AGENCY.panel("imports", order=410, permission="billing.view_usageimport")
def imports_panel(request: HttpRequest, code: str) -> Panel:
    """The newest files, with the counts of their rows."""
    agency = shown_agency(request, code)
    imports = first_rows(UsageImport.objects.filter(agency=agency))
    return Panel(
        key="imports",
        title="Imported files",
        table=Table(
            ["File", "State", "Counted", "Rejected", "Uploaded"],
            [
                [
                    row_link("billing_usageimport", record),
                    record.get_state_display(),
                    record.accepted,
                    record.rejected,
                    record.created_at,
                ]
                for record in imports
            ],
            empty="No file was imported for it.",
        ),
        links=[list_for("All files", "billing_usageimport", "agency", agency)],
    )


@AGENCY.panel("quarantine", order=415, permission="billing.view_quarantinedevent")
def quarantine_panel(request: HttpRequest, code: str) -> Panel:
    """Its events that are not counted, with the newest reasons."""
    agency = shown_agency(request, code)
    held = QuarantinedEvent.objects.filter(
        agency=agency, state=QuarantinedEvent.State.HELD
    )
    number = waiting(held, "received_at").number
    rows = [
        [row_link("billing_quarantinedevent", event), event.message, event.received_at]
        for event in first_rows(held.order_by("-pk"))
    ]
    return Panel(
        key="quarantine",
        title="Events in quarantine",
        figure=f"{MOST}+" if number > MOST else number,
        table=Table(
            ["Event", "Reason", "Received"], rows, empty="All its events are counted."
        ),
        links=[
            list_for(
                "All in quarantine", "billing_quarantinedevent", "agency", agency,
                state__exact="held",
            )
        ],
    )  # fmt: skip
