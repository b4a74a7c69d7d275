"""The budgets of an agency, on its page for staff."""

from django.http import HttpRequest
from django.utils import timezone

from billing.budgets.models import Budget
from billing.budgets.queries.levels import levels_of, months_of
from core.admin.panels import Cell, Money, Panel, Table
from core.periods import local_date, month_of
from seats.agencies.admin.support import (
    AGENCY,
    first_rows,
    list_for,
    row_link,
    shown_agency,
    zones_shown,
)


@AGENCY.panel("budgets", order=420, permission="billing.view_budget")
def budgets_panel(request: HttpRequest, code: str) -> Panel:
    """Its budgets, with what is used of each this month."""
    agency = shown_agency(request, code)
    now = timezone.now()
    month = month_of(local_date(now, zones_shown(request, code)))
    running = Budget.objects.filter(agency=agency, ended_at=None)
    budgets = first_rows(
        running.select_related("agency", "agent", "meter").order_by("pk")
    )
    levels = {
        budget.pk: level
        for budget, at, level in levels_of(budgets, months_of(budgets, now=now))
        if at.month == month
    }
    rows: list[list[Cell]] = [
        [
            row_link("billing_budget", budget, _name(budget)),
            _amount(budget, budget.amount or budget.quantity),
            _amount(budget, levels[budget.pk].used) if budget.pk in levels else "",
            "stops calls" if budget.hard else "warns",
        ]
        for budget in budgets
    ]
    return Panel(
        key="budgets",
        title="Budgets",
        table=Table(
            ["Budget", "Limit", "Used this month", "When it is reached"],
            rows,
            empty="It has set no budget.",
        ),
        links=[list_for("All budgets", "billing_budget", "agency", agency)],
    )


def _name(budget: Budget) -> str:
    who = budget.agent.name if budget.agent else "all agents"
    return f"{budget.meter.code if budget.meter else 'All usage'}, {who}"


def _amount(budget: Budget, value: object) -> Cell:
    if budget.amount is not None:
        return Money(value, budget.agency.currency)  # type: ignore[arg-type]
    return value  # type: ignore[return-value]
