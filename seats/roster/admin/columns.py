"""Columns and filters of the lists of seats and agents: last calls, costs, what is active."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core.admin.cells import money_cell
from core.admin.scoped import reach_in
from core.periods import month_of
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates
from seats.roster.models import Seat, SeatVersion
from seats.roster.services.agents import last_uses
from seats.roster.services.undoing import FRESH
from seats.signals import seats_priced

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

LOOKED_BACK = timedelta(days=90)  # for the last call


class SeatList(ChangeList):
    """A page of seats with the last call of each holder and, for some, what each costs."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        add_columns(request, self.result_list)


def add_columns(request: HttpRequest, seats: list[Any]) -> None:
    """Give each seat its `last_call` and `cost`; None where there is none to see.

    A constant number of queries, whatever the number of seats.
    """
    if not seats:
        return
    now = timezone.now()
    days = local_dates({seat.agency_id for seat in seats}, now=now)
    since = min(days.values()) - LOOKED_BACK
    used = last_uses({seat.agent_id for seat in seats}, since=since)
    priced = reach_in(request).agencies(Action.VIEW_MONEY)
    costs = _costs([seat for seat in seats if seat.agency_id in priced], days)
    for seat in seats:
        seat.last_call = used.get(seat.agent_id)
        seat.looked_back_to = since
        seat.cost = costs.get(seat.pk)


def _costs(seats: list[Any], days: dict[int, date]) -> dict[int, Any]:
    """What each seat costs in the month that it is at its agency."""
    by_month: dict[date, list[Any]] = {}
    for seat in seats:
        by_month.setdefault(month_of(days[seat.agency_id]), []).append(seat)
    costs: dict[int, Any] = {}
    for month, rows in by_month.items():
        responses: list[Any] = seats_priced.send(Seat, seats=rows, month=month)
        for _, response in responses:
            costs |= response
    return costs


class SeatColumns:
    """The columns that `add_columns` fills in."""

    @admin.display(description="last call")
    def last_call(self, seat: Any) -> str:
        if seat.last_call:
            return str(seat.last_call)
        is_new = seat.added_on > seat.looked_back_to
        return "none yet" if is_new else f"none in {LOOKED_BACK.days} days"

    @admin.display(description="cost this month")
    def cost(self, seat: Any) -> Any:
        return "" if seat.cost is None else money_cell(seat.cost, seat.agency.currency)


def active(request: HttpRequest) -> Q:
    """Seats that are billed today or later, by the local date of their agency."""
    reach = reach_in(request)
    by_day: dict[date, list[int]] = {}
    now = timezone.now()
    for pk, day in local_dates(reach.agencies(Action.VIEW_SEATS), now=now).items():
        by_day.setdefault(day, []).append(pk)
    ending = Q(removed_on__isnull=True)
    if len(by_day) == 1 or not by_day:
        ending |= Q(removed_on__gt=min(by_day, default=now.date()))
    else:
        for day, agency_ids in by_day.items():
            ending |= Q(removed_on__gt=day, agency__in=agency_ids)
    return Q(cancelled=False) & ending


class StateFilter(admin.SimpleListFilter):
    """Seats that are held now or later, unless others are wanted."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("ending", "With an end date"),
            ("removed", "Removed"),
            ("cancelled", "Cancelled"),
            ("all", "All"),
        ]

    def choices(self, changelist: Any) -> Any:
        """Active ones first, which the list shows at once."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "Active"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        picked = request.method == "POST" and request.POST.get("select_across") != "1"
        if value == "all" or (value is None and picked):
            return queryset  # rows that were picked by their keys may be of any state
        if value == "cancelled":
            return queryset.filter(cancelled=True)
        if value == "removed":
            return queryset.filter(~active(request), cancelled=False)
        queryset = queryset.filter(active(request))
        return queryset.exclude(removed_on=None) if value == "ending" else queryset


class ChangedFilter(admin.SimpleListFilter):
    """Seats that were changed lately, whose last change can be undone."""

    title = "last change"
    parameter_name = "changed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("lately", "In the last 24 hours")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "lately":
            return queryset
        changes = SeatVersion.objects.filter(
            seat=OuterRef("pk"), recorded_at__gt=timezone.now() - FRESH
        )
        return queryset.filter(Exists(changes))
