"""Payment methods, and attempts to charge, for staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from billing.cells import ByPrintedNumber
from billing.invoicing.models import Document
from billing.payments.amounts_admin import WithMoney
from billing.payments.closing_admin import ClosingAdmin
from billing.payments.models import (
    AttemptChange,
    PaymentAttempt,
    PaymentMethod,
    PaymentProcessor,
)
from billing.payments.services.methods import remove_method, save_method
from billing.payments.services.requesting import request_charge
from seats.admin_actions import Outcome, Unchanged, staff_action, work_each
from seats.readonly import AddingAdmin, AddingForm, ReadOnlyInline, acting
from seats.staff_admin import autocomplete


class ChargeForm(AddingForm):
    """All that is owed on an invoice, by one processor."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", status__in=["open", "uncollectible"]),
        widget=autocomplete(PaymentAttempt, "invoice"),
    )

    class Meta:
        model = PaymentAttempt
        fields = ["invoice", "processor"]

    def add(self, told: dict[str, Any]) -> PaymentAttempt:
        return request_charge(**told, actor=self.actor, now=timezone.now())


class MethodForm(AddingForm):
    """A processor that knows the payer by its code; others have pages of their own."""

    processor = forms.ModelChoiceField(PaymentProcessor.objects.filter(kind="webhook"))

    class Meta:
        model = PaymentMethod
        fields = ["payer", "processor", "label"]
        widgets = {"payer": autocomplete(PaymentMethod, "payer")}

    def add(self, told: dict[str, Any]) -> PaymentMethod:
        return save_method(**told, actor=self.actor, now=timezone.now())


@admin.register(PaymentMethod)
class PaymentMethodAdmin(AddingAdmin):
    """What payers are charged through; a new one takes the place of the one before."""

    list_display = ["payer", "processor", "label", "saved_at", "removed_at"]
    list_select_related = ["payer", "processor"]
    list_filter = ["processor", ("removed_at", admin.EmptyFieldListFilter)]
    search_fields = ["payer__code", "label"]
    adding_form = MethodForm
    adding_fields = ["payer", "processor", "label"]
    actions = ["remove"]

    @staff_action(
        "Remove",
        effects=lambda methods, data: [
            Unchanged(f"{method} was already removed.")
            if method.removed_at
            else f"{method.payer.code} is not charged through"
            f" {method.label or method.processor} any more. Until it saves another"
            " method, its invoices wait for a transfer."
            for method in methods
        ],
        undo="Save the method again. It then replaces any newer one.",
        done="removed",
    )
    def remove(
        self, request: HttpRequest, methods: list[PaymentMethod], data: dict[str, Any]
    ) -> Outcome:
        who = acting(request)

        def work(method: PaymentMethod) -> str | None:
            removed = remove_method(method=method, **who)
            return None if removed else "was already removed"

        return work_each(methods, work)


class ChangeInline(ReadOnlyInline):
    model = AttemptChange
    fields = ["state", "error", "recorded_at"]


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ByPrintedNumber, WithMoney, ClosingAdmin, AddingAdmin):
    """Adding one asks a processor to charge an invoice."""

    list_display = [
        "invoice", "processor", "money", "state", "error", "changed_at", "reported_at",
    ]  # fmt: skip
    list_select_related = ["invoice", "processor"]
    list_filter = [
        "state", ("reported_at", admin.EmptyFieldListFilter), "processor",
    ]  # fmt: skip
    search_fields = ["invoice__payer__code", "public_id", "reference"]
    documents = "invoice"
    readonly_fields = ["public_id"]
    adding_form = ChargeForm
    adding_fields = ["invoice", "processor"]
    inlines = [ChangeInline]
