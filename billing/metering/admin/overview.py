"""The chart of the overview about calls: minutes by day and dial mode."""

from datetime import date, timedelta
from decimal import Decimal

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from billing.metering.admin.shown_usage import CALLS, CODE, mode_name, usage_scope
from billing.metering.queries.usage import TooManyTotals, usage_totals
from core.admin.panels import Cell, ChartKind, Link, Panel, Table
from core.money import round_places
from core.periods import DAY, DateRange
from seats.access.admin.overview import OVERVIEW
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates

DAYS_SHOWN = 31


@OVERVIEW.panel("minutes", order=130, permission=Action.VIEW_USAGE)
def minutes_by_day(request: HttpRequest) -> Panel | None:
    """The billed minutes of calls of each of the last days, by dial mode."""
    scope = usage_scope(request)
    days = local_dates(scope.home_ids, now=timezone.now()).values()
    if not days:
        return None
    last = max(days)
    first = last - timedelta(days=DAYS_SHOWN - 1)
    try:
        totals = usage_totals(
            agency_ids=scope.agency_ids,
            agent_ids=scope.agent_ids,
            dates=DateRange(first, last + DAY),
            group_by=["day", "dial_mode", "meter"],
        )
    except TooManyTotals:
        return None
    minutes: dict[str, dict[date, Decimal]] = {}
    for total in totals:
        if total.group["meter"].startswith(CALLS) and total.unit == "minute":
            by_day = minutes.setdefault(total.group["dial_mode"], {})
            day = total.group["day"]
            by_day[day] = by_day.get(day, Decimal(0)) + (total.quantity or 0)
    modes = sorted(minutes, key=lambda mode: -sum(minutes[mode].values()))
    if not modes:
        return None
    rows: list[list[Cell]] = []
    for n in range(DAYS_SHOWN):
        day = first + n * DAY
        values = [minutes[mode].get(day, Decimal(0)) for mode in modes]
        rows.append([day, *(round_places(value, 1) for value in values)])
    whole = sum((sum(by_day.values()) for by_day in minutes.values()), Decimal(0))
    busiest = mode_name(modes[0])
    return Panel(
        key="minutes",
        title="Billed minutes by day and dial mode",
        table=Table(["Day", *map(mode_name, modes)], rows),
        chart=ChartKind.STACKED,
        summary=(
            f"{round_places(whole, 0):,} billed minutes from {first} to {last}; most by"
            f" {busiest}."
        ),
        links=[Link("All usage", _usage_page(request))],
    )


def _usage_page(request: HttpRequest) -> str:
    """The page of usage, of the same agency if the overview is of one."""
    page = reverse("admin:usage", current_app="agency")
    code = request.GET.get(CODE)
    return f"{page}?{urlencode({CODE: code})}" if code else page
