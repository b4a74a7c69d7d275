"""The page of budgets, for members of agencies."""

from django.contrib import admin

from billing.budgets.models import Budget, BudgetAlert, BudgetMonth
from core.admin.cells import money_cell
from core.admin.scoped import ScopedAdmin, ScopedFilter, ScopedInline, agency_page
from seats.access.domain import Action


class MonthInline(ScopedInline):
    """How much of the budget each month used."""

    model = BudgetMonth
    agency_path = "budget__agency"
    view = Action.VIEW_BUDGETS
    verbose_name_plural = "months"
    fields = ["month", "used", "expected", "evaluated_at"]


class AlertInline(ScopedInline):
    """The alerts that were sent about the budget."""

    model = BudgetAlert
    agency_path = "budget__agency"
    view = Action.VIEW_BUDGETS
    verbose_name_plural = "alerts"
    fields = ["month", "kind", "threshold", "sent_on", "used", "limit", "expected_on"]


@agency_page(Budget)
class BudgetPage(ScopedAdmin):
    """Budgets of the agencies within reach; who set them may be above and is not said."""

    menu = ("Money", "Budgets")
    activity = {"billing_budget": ["amount", "meter"]}
    agency_path = "agency"
    view = Action.VIEW_BUDGETS
    list_display = [
        "title", "agency", "agent", "meter_name", "money", "quantity", "hard", "since",
    ]  # fmt: skip
    list_select_related = ["agency", "agent", "meter"]
    list_filter = [
        ("agency", ScopedFilter), "hard", ("ended_at", admin.EmptyFieldListFilter),
    ]  # fmt: skip
    search_fields = ["agent__external_id", "agent__name"]
    fields = [
        "agency", "agent", "meter_name", "money", "quantity", "hard", "thresholds",
        "since", "ended_at", "created_at",
    ]  # fmt: skip
    readonly_fields = ["meter_name", "money"]
    inlines = [MonthInline, AlertInline]

    @admin.display(description="budget")
    def title(self, budget: Budget) -> str:
        who = budget.agent.name if budget.agent else "all agents"
        return f"{budget.meter.code if budget.meter else 'All usage'}, {who}"

    @admin.display(description="meter", ordering="meter__code", empty_value="all")
    def meter_name(self, budget: Budget) -> str | None:
        return budget.meter.code if budget.meter else None

    @admin.display(description="amount", ordering="amount", empty_value="-")
    def money(self, budget: Budget) -> str | None:
        if budget.amount is None:
            return None
        return money_cell(budget.amount, budget.agency.currency)
