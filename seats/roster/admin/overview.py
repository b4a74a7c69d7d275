"""Panels of the overview about seats: how many there are, who came and who left."""

from datetime import date, timedelta

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from core.admin.panels import ChartKind, Link, Panel, Table
from core.admin.scoped import any_of, reach_in
from core.periods import month_of
from seats.access.admin.overview import OVERVIEW, shown_agencies
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates
from seats.roster.models import SeatHolding
from seats.roster.queries import SeatCount, seats_by_day

DAYS_SHOWN = 60
SEATS = "admin:seats_seat_changelist"


@OVERVIEW.panel("seats", order=40, permission=Action.VIEW_SEATS)
def seats_now(request: HttpRequest) -> Panel | None:
    """The seats of today; for a member who is an agent, its own seat."""
    counts = _counts(request)
    if not counts:
        return _own_seat(request)
    month = month_of(counts[-1].day)
    joins = sum(count.joins for count in counts if count.day >= month)
    exits = sum(count.exits for count in counts if count.day >= month)
    return Panel(
        key="seats",
        title="Seats today",
        figure=counts[-1].seats,
        sentences=[f"{month:%B} so far: {joins} joined, {exits} left."],
        links=[Link("All seats", reverse(SEATS, current_app="agency"))],
    )


@OVERVIEW.panel("seats-by-day", order=110, permission=Action.VIEW_SEATS)
def seats_of_days(request: HttpRequest) -> Panel | None:
    """The seats of each of the last days, with who joined and who left."""
    counts = _counts(request)[-DAYS_SHOWN:]
    if not counts:
        return None
    first, last = counts[0], counts[-1]
    return Panel(
        key="seats-by-day",
        title="Seats by day",
        table=Table(
            ["Day", "Seats", "Joined", "Left"],
            [[c.day, c.seats, c.joins, c.exits] for c in counts],
        ),
        chart=ChartKind.LINE,
        summary=(
            f"Seats by day, from {first.seats} on {first.day} to {last.seats} on"
            f" {last.day}; {sum(c.joins for c in counts)} joined and"
            f" {sum(c.exits for c in counts)} left in these {len(counts)} days."
        ),
    )


def _counts(request: HttpRequest) -> list[SeatCount]:
    """The last days, and all of this month; read once for the panels of a page."""
    kept: list[SeatCount] | None = request.__dict__.get("seat_counts")
    if kept is None:
        agencies = [a.pk for a in shown_agencies(request, Action.VIEW_SEATS)]
        days = local_dates(agencies, now=timezone.now()).values()
        kept = (
            seats_by_day(agencies, first=_first(max(days)), last=max(days))
            if days
            else []
        )
        request.__dict__["seat_counts"] = kept
    return kept


def _first(today: date) -> date:
    return min(today - timedelta(days=DAYS_SHOWN - 1), month_of(today))


def _own_seat(request: HttpRequest) -> Panel | None:
    """The seat that a member who is an agent holds today."""
    agents = reach_in(request).agents(Action.VIEW_SEATS)
    if not agents:
        return None
    holdings = SeatHolding.objects.filter(agent__in=any_of(agents))
    today = min(
        local_dates({h.agency_id for h in holdings}, now=timezone.now()).values(),
        default=None,
    )
    held = (
        holdings.filter(Q(ends_on=None) | Q(ends_on__gt=today), starts_on__lte=today)
        if today
        else holdings.none()
    )
    since = [f"You have held a seat since {holding.starts_on}." for holding in held]
    return Panel(
        key="seats", title="Your seat", sentences=since or ["You hold no seat today."]
    )
