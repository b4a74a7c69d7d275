"""Admin pages of payment methods and payment attempts."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from billing.collection.admin.amounts import WithMoney
from billing.collection.admin.manual_resolution import ClosingAdmin
from billing.collection.models.attempts import AttemptChange, PaymentAttempt
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.attempts import request_charge
from billing.collection.services.methods import remove_method, save_method
from billing.invoicing.models.documents import Document
from billing.processors.models import PaymentProcessor
from core.admin.actions import ActionOutcome, Unchanged, staff_action, work_each
from core.admin.base import autocomplete
from core.admin.cells import ByPrintedNumber
from core.admin.readonly import AddingAdmin, AddingForm, ReadOnlyInline, actor_and_now


class ChargeForm(AddingForm):
    """A charge of all that is owed on an invoice, through one processor."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", state__in=["open", "uncollectible"]),
        widget=autocomplete(PaymentAttempt, "invoice"),
    )

    class Meta:
        model = PaymentAttempt
        fields = ["invoice", "processor"]

    def add(self, cleaned: dict[str, Any]) -> PaymentAttempt:
        return request_charge(**cleaned, actor=self.actor, now=timezone.now())


class MethodForm(AddingForm):
    """A method at a webhook processor, which knows payers by their code."""

    processor = forms.ModelChoiceField(PaymentProcessor.objects.filter(kind="webhook"))

    class Meta:
        model = PaymentMethod
        fields = ["payer", "processor", "label"]
        widgets = {"payer": autocomplete(PaymentMethod, "payer")}

    def add(self, cleaned: dict[str, Any]) -> PaymentMethod:
        return save_method(**cleaned, actor=self.actor, now=timezone.now())


@admin.register(PaymentMethod)
class PaymentMethodAdmin(AddingAdmin):
    """Payment methods; a new one replaces the payer's current one."""

    menu = ("Payments", "Payment methods")
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
            " method, its invoices have to be paid by bank transfer."
            for method in methods
        ],
        undo="Save the method again. It then replaces any newer one.",
        done="removed",
    )
    def remove(
        self, request: HttpRequest, methods: list[PaymentMethod], data: dict[str, Any]
    ) -> ActionOutcome:
        who = actor_and_now(request)

        def work(method: PaymentMethod) -> str | None:
            removed = remove_method(method=method, **who)
            return None if removed else "was already removed"

        return work_each(methods, work)


class ChangeInline(ReadOnlyInline):
    """Every state that the payment attempt has had."""

    model = AttemptChange
    fields = ["state", "error", "recorded_at"]


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ByPrintedNumber, WithMoney, ClosingAdmin, AddingAdmin):
    """Payment attempts; adding one requests a charge of an invoice."""

    menu = ("Payments", "Charges")
    list_display = [
        "invoice", "processor", "money", "state", "last_error", "changed_at", "reported_at",
    ]  # fmt: skip
    list_select_related = ["invoice", "processor"]
    list_filter = [
        "state", ("reported_at", admin.EmptyFieldListFilter), "processor",
    ]  # fmt: skip
    search_fields = ["invoice__payer__code", "public_id", "reference"]
    documents = "invoice"
    agency_lookup = "invoice__payer"
    readonly_fields = ["public_id"]
    adding_form = ChargeForm
    adding_fields = ["invoice", "processor"]
    inlines = [ChangeInline]
