"""Who owes late, for staff."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.dunning.models import DunningCase, DunningHold, DunningStep
from billing.dunning.services import hold_dunning
from seats.datefields import DateField
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    acting,
    ask_and_do,
)


class HoldForm(forms.Form):
    """Until which local date nothing is done, and why."""

    until = DateField(help_text="A date of the payer; today ends a hold.")
    reason = forms.CharField(max_length=500)


class StepInline(ReadOnlyInline):
    model = DunningStep
    fields = ["at", "kind", "invoice", "attempt", "next_at", "note", "actor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DunningStep]:
        rows: QuerySet[DunningStep] = super().get_queryset(request)
        return rows.select_related("invoice", "attempt")


@admin.register(DunningCase)
class DunningCaseAdmin(ReadOnlyAdmin):
    """Cases with what was done; accounts have the actions that suspend and allow."""

    list_display = [
        "payer", "state", "invoice", "next_step_at", "held_until", "since", "opened_at",
        "closed_at",
    ]  # fmt: skip
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
        """Nothing is done about an open case before that."""
        ahead = case.hold and case.hold > timezone.now() and case.closed_at is None
        return case.hold if ahead else None

    @admin.action(description="Hold: wait for a promise", permissions=["view"])
    def hold(
        self, request: HttpRequest, cases: QuerySet[DunningCase]
    ) -> HttpResponse | None:
        def work(chosen: list[DunningCase], told: dict[str, Any]) -> None:
            with transaction.atomic():
                for case in sorted(chosen, key=lambda case: case.payer_id):
                    hold_dunning(payer=case.payer, **acting(request), **told)

        return ask_and_do(self, request, cases.select_related("payer"), HoldForm, work)


class AddHoldForm(AddingForm):
    """A payer that is waited for, with or without a case."""

    until = HoldForm.base_fields["until"]

    class Meta:
        model = DunningHold
        fields = ["payer", "reason"]

    def add(self, told: dict[str, Any]) -> DunningHold:
        return hold_dunning(**told, actor=self.actor, now=timezone.now())


@admin.register(DunningHold)
class DunningHoldAdmin(AddingAdmin):
    """Whom staff wait for, and why; the newest hold of a payer counts."""

    list_display = ["payer", "until", "reason", "actor", "held_at"]
    list_select_related = ["payer"]
    search_fields = ["payer__code"]
    adding_form = AddHoldForm
    adding_fields = ["payer", "until", "reason"]
