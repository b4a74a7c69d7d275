"""The panel of the overview about budgets and their alerts."""

from decimal import Decimal

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.budgets.domain.levels import BudgetLevel
from billing.budgets.models import Budget, BudgetAlert
from billing.budgets.queries.levels import levels_of, months_of
from core.admin.panels import (
    Cell,
    Link,
    Money,
    Panel,
    Progress,
    Quantity,
    Table,
    cell_text,
)
from core.admin.scoped import any_of
from core.money import round_places
from core.periods import month_of
from seats.access.admin.overview import OVERVIEW, shown_agencies
from seats.access.domain import Action

BUDGETS = "admin:billing_budget_changelist"
MOST_BUDGETS = 100
MOST_ALERTS = 5


@OVERVIEW.panel("budgets", order=60, permission=Action.VIEW_BUDGETS)
def budgets_and_alerts(request: HttpRequest) -> Panel | None:
    """How much of each budget is used this month, and the alerts of this month."""
    agencies = [a.pk for a in shown_agencies(request, Action.VIEW_BUDGETS)]
    budgets = list(
        Budget.objects.filter(agency__in=any_of(agencies), ended_at=None)
        .select_related("agency", "agent", "meter")
        .order_by("agency__code", "pk")[:MOST_BUDGETS]
    )
    levels = [
        (budget, level)
        for budget, at, level in levels_of(
            budgets, months_of(budgets, now=timezone.now())
        )
        if at.month == month_of(at.today)
    ]
    levels.sort(key=lambda pair: -pair[1].used / pair[0].limit)
    several = len(agencies) > 1
    rows = [_row(budget, level, several=several) for budget, level in levels]
    agency = ["Agency"] if several else []
    return Panel(
        key="budgets",
        title="Budgets and alerts",
        sentences=_alerts(levels, several=several),
        table=Table(
            ["Budget", *agency, "Used", "Of the limit", "Limit", "Expected"],
            rows,
            empty="There is no budget. A budget tells you before the bill does.",
            limit=10,
        ),
        links=[Link("All budgets", reverse(BUDGETS, current_app="agency"))],
        is_wide=bool(rows),
    )


def _row(budget: Budget, level: BudgetLevel, *, several: bool) -> list[Cell]:
    percent = int(level.used * 100 / budget.limit)
    return [
        _name(budget),
        *([budget.agency.code] if several else []),
        _amount(budget, level.used),
        Progress(percent),
        _amount(budget, budget.limit),
        _amount(budget, level.expected),
    ]


def _name(budget: Budget) -> str:
    what = budget.meter.name if budget.meter else "All usage"
    return f"{what}, {budget.agent.name}" if budget.agent else what


def _amount(budget: Budget, value: Decimal) -> Cell:
    if budget.meter is None:
        return Money(value, budget.agency.currency)
    return Quantity(round_places(value, 1), f"{budget.meter.billed_unit}s")


def _alerts(levels: list[tuple[Budget, BudgetLevel]], *, several: bool) -> list[str]:
    """The latest alerts about the budgets that are shown, in words."""
    shown = {budget.pk: budget for budget, _ in levels}
    alerts = BudgetAlert.objects.filter(budget__in=shown).order_by("-pk")[:MOST_ALERTS]
    sentences = []
    for alert in alerts:
        budget = shown[alert.budget_id]
        used = cell_text(_amount(budget, alert.used))
        limit = cell_text(_amount(budget, alert.limit))
        whose = f" of {budget.agency.code}" if several else ""
        text = f"{alert.sent_on}: {_name(budget)}{whose} "
        if alert.kind == BudgetAlert.Kind.REACHED:
            text += f"reached {alert.threshold}% of {limit} ({used})."
        else:
            text += f"will reach {limit} on {alert.expected_on}."
        sentences.append(text)
    return sentences
