"""Payment methods, and attempts to charge, for staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

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
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyInline,
    acting,
    try_each,
)


class ChargeForm(AddingForm):
    """All that is owed on an invoice, by one processor."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", status__in=["open", "uncollectible"])
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

    @admin.action(description="Remove", permissions=["add"])
    def remove(self, request: HttpRequest, rows: QuerySet[PaymentMethod]) -> None:
        def work(method: PaymentMethod) -> None:
            remove_method(method=method, **acting(request))

        chosen = rows.select_related("payer", "processor")
        try_each(self, request, chosen, work, "removed.")


class ChangeInline(ReadOnlyInline):
    model = AttemptChange
    fields = ["state", "error", "recorded_at"]


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(WithMoney, ClosingAdmin, AddingAdmin):
    """Adding one asks a processor to charge an invoice."""

    list_display = [
        "invoice", "processor", "money", "state", "error", "changed_at", "reported_at",
    ]  # fmt: skip
    list_select_related = ["invoice", "processor"]
    list_filter = [
        "state", ("reported_at", admin.EmptyFieldListFilter), "processor",
    ]  # fmt: skip
    search_fields = ["invoice__payer__code", "public_id", "reference"]
    readonly_fields = ["public_id"]
    adding_form = ChargeForm
    adding_fields = ["invoice", "processor"]
    inlines = [ChangeInline]
