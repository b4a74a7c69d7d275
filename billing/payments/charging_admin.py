"""Processors, payment methods, attempts to charge, and what we were told, for staff."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.invoicing.models import Document
from billing.payments.models import (
    AttemptChange,
    PaymentAttempt,
    PaymentMethod,
    PaymentProcessor,
    ProcessorEvent,
)
from billing.payments.services.answers import retry_events
from billing.payments.services.methods import remove_method, save_method
from billing.payments.services.requesting import (
    add_processor,
    request_charge,
)
from seats.errors import Refusal
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    acting,
    try_each,
)


class ProcessorForm(AddingForm):
    """A new processor; the service makes its secrets, unless it is Stripe.

    Stripe's own are never shown again.
    """

    key = forms.CharField(
        required=False,
        widget=forms.PasswordInput,
        help_text="Stripe's secret or restricted key: sk_... or rk_...",
    )
    endpoint_secret = forms.CharField(
        required=False,
        widget=forms.PasswordInput,
        help_text="Stripe's signing secret of our endpoint: whsec_...",
    )

    class Meta:
        model = PaymentProcessor
        fields = ["code", "kind", "url"]

    def add(self, told: dict[str, Any]) -> PaymentProcessor:
        added, *self.secrets = add_processor(
            **told, actor=self.actor, now=timezone.now()
        )
        return added

    def _post_clean(self) -> None:
        """The service has checked and stored it; by now its code is taken."""


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


@admin.register(PaymentProcessor)
class PaymentProcessorAdmin(AddingAdmin):
    """Adding one tells its two secrets, once."""

    list_display = ["code", "kind", "url", "added_by", "added_at"]
    fields = ["code", "kind", "url", "added_by", "added_at"]
    adding_form = ProcessorForm
    adding_fields = ["code", "kind", "url", "key", "endpoint_secret"]

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """The form has saved it; secrets that we made are shown this once."""
        if obj.kind == PaymentProcessor.Kind.STRIPE:
            return
        said = "Shown this once. It checks ours with {}, and signs its own with {}."
        self.message_user(request, said.format(*form.secrets), messages.WARNING)


class MethodForm(AddingForm):
    """A processor that knows the payer by its code; others have pages of their own."""

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
class PaymentAttemptAdmin(AddingAdmin):
    """Adding one asks a processor to charge an invoice."""

    list_display = [
        "public_id", "invoice", "processor", "amount", "currency", "state", "error",
        "changed_at",
    ]  # fmt: skip
    list_select_related = ["invoice", "processor"]
    list_filter = ["state", "processor"]
    search_fields = ["invoice__payer__code", "public_id", "reference"]
    readonly_fields = ["public_id"]
    adding_form = ChargeForm
    adding_fields = ["invoice", "processor"]
    inlines = [ChangeInline]


@admin.register(ProcessorEvent)
class ProcessorEventAdmin(ReadOnlyAdmin):
    """What does not fit waits here for somebody to look at it."""

    list_display = ["event_id", "processor", "state", "reason", "received_at"]
    list_select_related = ["processor"]
    list_filter = ["state", "processor"]
    search_fields = ["event_id"]
    fields = [
        "processor", "event_id", "state", "reason", "attempt", "tries", "received_at",
        "text",
    ]  # fmt: skip
    readonly_fields = ["text"]
    actions = ["work_off_again"]

    @admin.display(description="what it told")
    def text(self, event: ProcessorEvent) -> str:
        return bytes(event.body).decode(errors="replace")

    @admin.action(description="Work off once more", permissions=["view"])
    def work_off_again(
        self, request: HttpRequest, rows: QuerySet[ProcessorEvent]
    ) -> None:
        try:
            count = retry_events(events=list(rows), now=timezone.now())
        except Refusal as refusal:
            self.message_user(request, refusal.message, messages.WARNING)
        else:
            self.message_user(request, f"{count} will be worked off.")
