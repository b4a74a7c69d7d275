"""The price list of an agency, on its page for staff."""

from django.http import HttpRequest
from django.utils import timezone

from billing.pricing.models import PriceList
from core.admin.panels import Cell, Money, Panel, Table
from core.periods import local_date, month_of
from seats.agencies.admin.support import AGENCY, row_link, shown_agency, zones_shown


@AGENCY.panel("prices", order=310, permission="billing.view_pricelist")
def prices_panel(request: HttpRequest, code: str) -> Panel:
    """The list of this month, and those that follow."""
    agency = shown_agency(request, code)
    month = month_of(local_date(timezone.now(), zones_shown(request, code)))
    lists = list(
        PriceList.objects.filter(
            currency=agency.currency, state=PriceList.State.PUBLISHED
        ).order_by("starts_on")
    )
    current = [row for row in lists if row.starts_on <= month][-1:]
    later = [row for row in lists if row.starts_on > month]
    rows: list[list[Cell]] = [
        [
            row_link("billing_pricelist", row, row.code),
            f"{row.starts_on:%B %Y}",
            Money(row.seat_price, row.currency),
        ]
        for row in [*current, *later]
    ]
    return Panel(
        key="prices",
        title="Price list",
        table=Table(
            ["List", "From", "Seat and month"],
            rows,
            empty=f"No published price list is in {agency.currency}, so it cannot be"
            " billed. Publish one.",
        ),
    )
