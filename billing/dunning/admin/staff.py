"""Admin pages of dunning cases and holds."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from billing.dunning.models import DunningCase, DunningHold, DunningStep
from billing.dunning.queries import with_debts
from billing.dunning.services.cases import hold_dunning
from core.admin.actions import ActionOutcome, ReasonForm, staff_action
from core.admin.base import autocomplete
from core.admin.cells import ByPrintedNumber
from core.admin.dates import DateField
from core.admin.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_and_now,
)
from core.money import money_label


class HoldForm(ReasonForm):
    """Until which local date of the payer dunning pauses, and why."""

    until = DateField(
        help_text="A local date of the payer. Choose today to end a hold."
    )
    field_order = ["until", "reason"]


def hold_effects(cases: list[Any], data: dict[str, Any] | None) -> list[str]:
    """What each payer owes, and until when its dunning pauses."""
    until = data["until"] if data else "the date chosen below"
    return [
        f"{case.payer.code} owes {money_label(case.owed, case.payer.currency)}, of which"
        f" {money_label(case.overdue, case.payer.currency)} is overdue. Dunning"
        f" pauses until {until}: no charge is retried, calls are not suspended, and a"
        " suspension by dunning is lifted."
        for case in with_debts(cases, now=timezone.now())
    ]


class StepInline(ReadOnlyInline):
    """What dunning did in the case, and when."""

    model = DunningStep
    fields = ["at", "kind", "invoice", "attempt", "next_at", "note", "actor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DunningStep]:
        rows: QuerySet[DunningStep] = super().get_queryset(request)
        return rows.select_related("invoice", "attempt")


@admin.register(DunningCase)
class DunningCaseAdmin(ByPrintedNumber, ReadOnlyAdmin):
    """Cases with their steps. Accounts have the actions that suspend and allow calls."""

    menu = ("Payments", "Dunning cases")
    list_display = [
        "payer", "state", "invoice", "next_step_at", "held_until", "opened_at",
        "closed_at",
    ]  # fmt: skip
    documents = "invoice"
    list_select_related = ["payer", "invoice"]
    list_filter = ["state", ("closed_at", admin.EmptyFieldListFilter)]
    search_fields = ["payer__code"]
    fields = [
        "payer", "state", "since", "invoice", "retries", "retry_at", "escalate_at",
        "next_step_at", "held_until", "opened_at", "closed_at",
    ]  # fmt: skip
    readonly_fields = ["held_until"]
    inlines = [StepInline]
    actions = ["hold"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DunningCase]:
        holds = DunningHold.objects.filter(payer=OuterRef("payer")).order_by("-pk")
        rows: QuerySet[DunningCase] = super().get_queryset(request)
        return rows.annotate(hold=Subquery(holds.values("until")[:1]))

    @admin.display(description="held until", empty_value="")
    def held_until(self, case: Any) -> datetime | None:
        """The end of the hold of an open case; None without one."""
        ahead = case.hold and case.hold > timezone.now() and case.closed_at is None
        return case.hold if ahead else None

    @staff_action(
        "Hold: pause dunning until a date",
        effects=hold_effects,
        undo="Hold it until today; dunning then continues.",
        done="held",
        form=HoldForm,
    )
    def hold(
        self, request: HttpRequest, cases: list[DunningCase], data: dict[str, Any]
    ) -> ActionOutcome | None:
        for case in sorted(cases, key=lambda case: case.payer_id):
            hold_dunning(payer=case.payer, **actor_and_now(request), **data)
        return None


class AddHoldForm(AddingForm):
    """A hold for a payer, with or without an open case."""

    until = HoldForm.base_fields["until"]

    class Meta:
        model = DunningHold
        fields = ["payer", "reason"]
        widgets = {"payer": autocomplete(DunningHold, "payer")}

    def add(self, cleaned: dict[str, Any]) -> DunningHold:
        return hold_dunning(**cleaned, actor=self.actor, now=timezone.now())


@admin.register(DunningHold)
class DunningHoldAdmin(AddingAdmin):
    """Pauses of dunning by staff, with their reasons; a payer's newest hold counts."""

    menu = ("Payments", "Pauses of dunning")
    list_display = ["payer", "until", "reason", "actor", "held_at"]
    list_select_related = ["payer"]
    search_fields = ["payer__code"]
    adding_form = AddHoldForm
    adding_fields = ["payer", "until", "reason"]
