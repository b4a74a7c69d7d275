"""The panel of seats that nobody used lately, with a step to remove them."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.invoicing.admin.bills import priced_bills
from billing.metering.queries.idle_seats import IdleSeat, idle_seats
from core.admin.panels import (
    Cell,
    Money,
    Panel,
    PostButton,
    Table,
    cell_text,
    money_sum,
)
from core.admin.scoped import reach_in
from seats.access.admin.overview import OVERVIEW, shown_agencies
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates

IDLE_DAYS = 14
LOOK_BACK = 90
MOST_SEATS = 200  # that a button removes, the longest idle first
SEATS = "admin:seats_seat_changelist"


@OVERVIEW.panel("idle-seats", order=50, permission=Action.VIEW_SEATS)
def seats_without_use(request: HttpRequest) -> Panel | None:
    """Seats that placed no call for 14 days, and what they cost a month."""
    agencies = {a.pk: a for a in shown_agencies(request, Action.VIEW_SEATS)}
    todays = local_dates(agencies, now=timezone.now())
    seats = idle_seats(todays, days=IDLE_DAYS, look_back=LOOK_BACK)
    if not agencies:
        return None
    seats.sort(key=lambda seat: (str(seat.used_on or ""), seat.added_on, seat.seat_id))
    costs = _costs(request)
    columns = ["Holder", "Last use", "Seat since"]
    columns += ["Agency"] if len(agencies) > 1 else []
    columns += ["A month"] if costs else []
    rows: list[list[Cell]] = []
    for seat in seats:
        row: list[Cell] = [seat.agent, _last_use(seat), seat.added_on]
        row += [agencies[seat.agency_id].code] if len(agencies) > 1 else []
        row += [costs.get(seat.agency_id)] if costs else []
        rows.append(row)
    return Panel(
        key="idle-seats",
        title="Idle seats",
        figure=len(seats),
        sentences=[_sentence(seats, costs)],
        table=Table(columns, rows, limit=10) if rows else None,
        buttons=_buttons(request, seats),
        is_wide=bool(rows),
    )


def _sentence(seats: Sequence[IdleSeat], costs: dict[int, Money]) -> str:
    if not seats:
        return f"Every seat was used in the last {IDLE_DAYS} days, or is newer."
    count = "1 seat" if len(seats) == 1 else f"{len(seats)} seats"
    text = f"{count} placed no call for {IDLE_DAYS} days"
    amounts = [costs[seat.agency_id] for seat in seats if seat.agency_id in costs]
    if not amounts:
        return f"{text}."
    return f"{text}: about {cell_text(money_sum(amounts))} a month."


def _costs(request: HttpRequest) -> dict[int, Money]:
    """What a seat costs a month, by agency id, for payers whose amounts may be shown."""
    if not reach_in(request).may(Action.VIEW_MONEY):
        return {}
    costs: dict[int, Money] = {}
    for bill in priced_bills(request):
        currency = bill.payer.currency
        for agency_id, cost in bill.seat_costs.items():
            before = costs.get(agency_id, Money(cost - cost, currency))
            costs[agency_id] = Money(before.amount + cost, currency)
    return costs


def _last_use(seat: IdleSeat) -> Cell:
    return seat.used_on or f"none in {LOOK_BACK} days"


def _buttons(request: HttpRequest, seats: Sequence[IdleSeat]) -> list[PostButton]:
    """Opens the page that confirms the removal of exactly these seats."""
    may = reach_in(request).agencies(Action.CHANGE_SEATS)
    removable = [seat for seat in seats if seat.agency_id in may][:MOST_SEATS]
    if not removable:
        return []
    count = "this seat" if len(removable) == 1 else f"these {len(removable)} seats"
    return [
        PostButton(
            f"Remove {count} …",
            reverse(SEATS, current_app="agency"),
            [
                ("action", "remove"),
                ("index", 0),
                *(("_selected_action", seat.seat_id) for seat in removable),
            ],
        )
    ]
