"""Admin pages of payment processors and their inbound events."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import (
    add_processor,
    change_processor,
    rotate_secrets,
)
from core.admin.actions import ActionOutcome, ReasonForm, staff_action
from core.admin.readonly import AddingAdmin, AddingForm, actor_and_now
from core.errors import Refusal


class ProcessorForm(AddingForm):
    """A new processor; its secrets are generated here unless it is Stripe.

    Stripe's keys are entered once and never shown again.
    """

    key = forms.CharField(
        required=False,
        widget=forms.PasswordInput,
        help_text="For Stripe: its secret or restricted key, sk_... or rk_...",
    )
    endpoint_secret = forms.CharField(
        required=False,
        widget=forms.PasswordInput,
        help_text="For Stripe: the signing secret of our webhook endpoint, whsec_...",
    )

    class Meta:
        model = PaymentProcessor
        fields = ["code", "kind", "url"]

    def add(self, cleaned: dict[str, Any]) -> PaymentProcessor:
        added, *self.secrets = add_processor(
            **cleaned, actor=self.actor, now=timezone.now()
        )
        return added


class SeveralProcessors(Refusal):
    """More than one processor was selected.

    Change one processor at a time.
    """

    code = "several_processors"


class ProcessorChangeForm(ReasonForm):
    """A new URL, or keys that the processor issued; empty fields are kept."""

    url = forms.CharField(max_length=500, required=False)
    sending = forms.CharField(
        max_length=200,
        required=False,
        label="API key at the processor",
        widget=forms.PasswordInput,
    )
    receiving = forms.CharField(
        max_length=200, required=False, label="signing secret of the processor",
        widget=forms.PasswordInput,
    )  # fmt: skip
    field_order = ["url", "sending", "receiving", "reason"]


def change_effects(
    rows: list[PaymentProcessor], data: dict[str, Any] | None
) -> list[str]:
    """The processors whose URL or keys change."""
    return [
        f"{row.code} ({row.get_kind_display()}) is called at {row.url} today. From now"
        " on, charges, refunds and look-ups use the new URL and keys. If they are wrong,"
        " every charge there fails or stays unknown."
        for row in rows
    ]


def rotate_effects(
    rows: list[PaymentProcessor], data: dict[str, Any] | None
) -> list[str]:
    """The processors whose secrets are replaced."""
    return [
        f"{row.code} gets two new secrets, shown once after this page. Its events are"
        " accepted with the old secret for a day; give it the new ones within that time."
        for row in rows
    ]


@admin.register(PaymentProcessor)
class PaymentProcessorAdmin(AddingAdmin):
    """Payment processors; adding one, or rotating its secrets, shows both secrets once."""

    menu = ("Settings", "Payment processors")
    list_display = [
        "code", "kind", "url", "added_by", "added_at", "rotated_at",
    ]  # fmt: skip
    fields = [
        "code", "kind", "url", "added_by", "added_at", "rotated_at", "caught_up_to",
        "reconciled_through",
    ]  # fmt: skip
    adding_form = ProcessorForm
    adding_fields = ["code", "kind", "url", "key", "endpoint_secret"]
    actions = ["change_address_or_keys", "rotate_both_secrets"]
    has_secrets = True

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Show the generated secrets once; the form has already saved the row."""
        if obj.kind == PaymentProcessor.Kind.WEBHOOK:
            self._show(request, *form.secrets)

    @staff_action(
        "Change URL or keys",
        sensitive=True,
        permission="change",
        effects=change_effects,
        undo="Change them back. You have to enter the previous keys again.",
        done="changed",
        form=ProcessorChangeForm,
        one_by_one=True,
    )
    def change_address_or_keys(
        self, request: HttpRequest, rows: list[PaymentProcessor], data: dict[str, Any]
    ) -> ActionOutcome | None:
        _require_single(rows)
        del data["reason"]
        change_processor(processor=rows[0], **actor_and_now(request), **data)
        return None

    @staff_action(
        "Rotate secrets",
        sensitive=True,
        permission="rotate",
        effects=rotate_effects,
        undo="The old secrets cannot be restored. Rotate again to get new ones.",
        done="rotated",
        one_by_one=True,
    )
    def rotate_both_secrets(
        self, request: HttpRequest, rows: list[PaymentProcessor], data: dict[str, Any]
    ) -> ActionOutcome | None:
        _require_single(rows)
        _, *secrets = rotate_secrets(processor=rows[0], **actor_and_now(request))
        self._show(request, *secrets)
        return None

    def _show(self, request: HttpRequest, sending: str, receiving: str) -> None:
        message = (
            "Copy both secrets now; they are shown only once. CHECKS (verifies our"
            " requests): {} SIGNS (signs its responses): {}"
        )
        message = message.format(sending, receiving)
        self.message_user(request, message, messages.WARNING)


def _require_single(processors: list[PaymentProcessor]) -> None:
    if len(processors) > 1:
        raise SeveralProcessors("Change one processor at a time.")
