"""Processors, and what they told us, for staff."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.payments.models import (
    PaymentProcessor,
    ProcessorEvent,
)
from billing.payments.services.answers import retry_events, set_events_aside
from billing.payments.services.registering import (
    add_processor,
    change_processor,
    rotate_secrets,
)
from seats.errors import Refusal
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReasonForm,
    acting,
    ask_and_do,
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


class SeveralProcessors(Refusal):
    """An address and keys are of one processor."""

    code = "several_processors"


class ProcessorChangeForm(forms.Form):
    """What is empty stays; keys are those that a processor gives us."""

    url = forms.CharField(max_length=500, required=False)
    sending = forms.CharField(
        max_length=200,
        required=False,
        label="our key there",
        widget=forms.PasswordInput,
    )
    receiving = forms.CharField(
        max_length=200, required=False, label="its signing secret",
        widget=forms.PasswordInput,
    )  # fmt: skip


@admin.register(PaymentProcessor)
class PaymentProcessorAdmin(AddingAdmin):
    """Adding one tells its two secrets, once, and so does rotating them."""

    list_display = [
        "code", "kind", "url", "added_by", "added_at", "rotated_at",
    ]  # fmt: skip
    fields = [
        "code", "kind", "url", "added_by", "added_at", "rotated_at", "caught_up_to",
    ]  # fmt: skip
    adding_form = ProcessorForm
    adding_fields = ["code", "kind", "url", "key", "endpoint_secret"]
    actions = ["change_address_or_keys", "rotate_both_secrets"]

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """The form has saved it; secrets that we made are shown this once."""
        if obj.kind == PaymentProcessor.Kind.WEBHOOK:
            self._show(request, *form.secrets)

    def has_alter_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request)

    @admin.action(description="Change address or keys", permissions=["alter"])
    def change_address_or_keys(
        self, request: HttpRequest, rows: QuerySet[PaymentProcessor]
    ) -> HttpResponse | None:
        def work(chosen: list[PaymentProcessor], told: dict[str, Any]) -> None:
            _require_one(chosen)
            change_processor(processor=chosen[0], **acting(request), **told)

        return ask_and_do(self, request, rows, ProcessorChangeForm, work)

    @admin.action(description="Rotate secrets", permissions=["alter"])
    def rotate_both_secrets(
        self, request: HttpRequest, rows: QuerySet[PaymentProcessor]
    ) -> HttpResponse | None:
        def work(chosen: list[PaymentProcessor], told: dict[str, Any]) -> None:
            _require_one(chosen)
            _, *made = rotate_secrets(processor=chosen[0], **acting(request))
            self._show(request, *made)

        return ask_and_do(self, request, rows, forms.Form, work)

    def _show(self, request: HttpRequest, sending: str, receiving: str) -> None:
        said = (
            "Shown this once. CHECKS (it checks what we tell): {} "
            "SIGNS (it signs what it answers): {}"
        )
        said = said.format(sending, receiving)
        self.message_user(request, said, messages.WARNING)


def _require_one(chosen: list[PaymentProcessor]) -> None:
    if len(chosen) > 1:
        raise SeveralProcessors("One processor at a time.")


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
    actions = ["work_off_again", "set_aside"]

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

    @admin.action(description="Set aside: nothing is to be done", permissions=["view"])
    def set_aside(
        self, request: HttpRequest, rows: QuerySet[ProcessorEvent]
    ) -> HttpResponse | None:
        def work(chosen: list[ProcessorEvent], told: dict[str, Any]) -> None:
            set_events_aside(events=chosen, **acting(request), **told)

        return ask_and_do(self, request, rows, ReasonForm, work)
