"""The staff admin of budgets."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from billing.budgets.models import Budget, BudgetAlert, BudgetMonth
from billing.budgets.services.budgets import add_budget, change_budget, remove_budget
from core.admin.actions import ActionOutcome, staff_action
from core.admin.cells import money_cell
from core.admin.readonly import (
    AddingForm,
    ReadOnlyInline,
    SavedByServiceAdmin,
    adding_form_for,
)

CHANGES = ["amount", "quantity", "hard", "thresholds"]


class BudgetForm(AddingForm):
    """Saves through the budget services and shows their refusals at the fields."""

    class Meta:
        model = Budget
        fields = ["agency", "agent", "meter", *CHANGES]

    def add(self, cleaned: dict[str, Any]) -> Budget:
        if self.instance.pk is None:
            return add_budget(actor=self.actor, now=timezone.now(), **cleaned)
        changes = {name: cleaned[name] for name in CHANGES}
        return change_budget(budget=self.instance, actor=self.actor, **changes)


class MonthInline(ReadOnlyInline):
    """How much of the budget was used in each month."""

    model = BudgetMonth
    fields = ["month", "used", "expected", "evaluated_at"]


class AlertInline(ReadOnlyInline):
    """The thresholds that were reached, and when the alert was sent."""

    model = BudgetAlert
    fields = [
        "month", "kind", "threshold", "sent_on", "used", "limit", "expected_on"
    ]  # fmt: skip


@admin.register(Budget)
class BudgetAdmin(SavedByServiceAdmin):
    """Budgets of agencies and agents, with their months and alerts."""

    menu = ("Agencies", "Budgets")
    list_display = [
        "agency", "agent", "meter", "money", "quantity", "hard", "since", "owner",
        "ended_at",
    ]  # fmt: skip
    list_select_related = ["agency", "owner", "agent", "meter"]
    list_filter = ["hard", "meter", ("ended_at", admin.EmptyFieldListFilter)]
    search_fields = ["agency__code", "agent__external_id"]
    autocomplete_fields = ["agency", "agent", "meter"]
    inlines = [MonthInline, AlertInline]
    form = BudgetForm
    actions = ["remove"]

    @admin.display(description="amount", ordering="amount", empty_value="-")
    def money(self, budget: Budget) -> str | None:
        if budget.amount is None:
            return None
        return money_cell(budget.amount, budget.agency.currency)

    @staff_action(
        "Remove",
        permission="delete",
        effects=lambda budgets, data: [
            f"{budget} is deleted with its history. It sends no more alerts and stops no"
            " more calls."
            for budget in budgets
        ],
        undo="Add it again. Past alerts are not restored.",
        done="removed",
    )
    def remove(
        self, request: HttpRequest, budgets: list[Budget], data: dict[str, Any]
    ) -> ActionOutcome | None:
        for budget in budgets:
            remove_budget(budget=budget)
        return None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["agency", "agent", "meter"] if obj else []

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else []

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        return adding_form_for(request, form)
