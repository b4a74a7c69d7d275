"""Admin pages of payment processors and their inbound events."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
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
from seats.admin_actions import ActionOutcome, ReasonForm, staff_action
from seats.errors import Refusal
from seats.readonly import AddingAdmin, AddingForm, ReadOnlyAdmin, actor_and_now


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
    """URL and keys are changed for one processor at a time."""

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

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Show the generated secrets once; the form has already saved the row."""
        if obj.kind == PaymentProcessor.Kind.WEBHOOK:
            self._show(request, *form.secrets)

    @staff_action(
        "Change URL or keys",
        permission="change",
        effects=change_effects,
        undo="Change them back. You have to enter the previous keys again.",
        done="changed",
        form=ProcessorChangeForm,
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
        permission="rotate",
        effects=rotate_effects,
        undo="The old secrets cannot be restored. Rotate again to get new ones.",
        done="rotated",
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


class ConflictFilter(admin.SimpleListFilter):
    """Events for which different content arrived under the same id and was refused."""

    title = "refused content"
    parameter_name = "refused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "different content was refused")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ProcessorEvent]
    ) -> QuerySet[ProcessorEvent]:
        return queryset.filter(conflicts__gt=0) if self.value() else queryset


@admin.register(ProcessorEvent)
class ProcessorEventAdmin(ReadOnlyAdmin):
    """Inbound processor events; quarantined ones wait for a decision of staff."""

    list_display = [
        "event_id", "processor", "state", "reason", "received_at", "reported_at",
        "conflicts",
    ]  # fmt: skip
    list_select_related = ["processor"]
    list_filter = [
        "state", ("reported_at", admin.EmptyFieldListFilter),
        ConflictFilter, "processor",
    ]  # fmt: skip
    search_fields = ["event_id", "payment_reference"]
    fields = [
        "processor", "event_id", "state", "reason", "payment_reference", "attempt",
        "tries", "received_at", "reported_at", "text", "conflicts", "conflicting_text",
    ]  # fmt: skip
    readonly_fields = ["text", "conflicting_text"]
    actions = ["process_again", "set_aside"]

    @admin.display(description="content")
    def text(self, event: ProcessorEvent) -> str:
        return bytes(event.body).decode(errors="replace")

    @admin.display(description="last refused content under this id")
    def conflicting_text(self, event: ProcessorEvent) -> str:
        return bytes(event.conflict_body or b"").decode(errors="replace")

    @staff_action(
        "Process again",
        permission="retry",
        effects=lambda rows, data: _event_effects(
            rows, "is processed again, and its outcome is recorded"
        ),
        undo="What it records cannot be removed. Refund or reverse it instead.",
        done="will be processed",
    )
    def process_again(
        self, request: HttpRequest, rows: list[ProcessorEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        count = retry_events(events=rows, now=timezone.now())
        return _quarantined(rows, f"{count} will be processed")

    @staff_action(
        "Set aside: no action needed",
        effects=lambda rows, data: _event_effects(
            rows, "is never processed, and staff is not notified of it again"
        ),
        undo="It stays set aside. Record by hand what it should have changed.",
        done="set aside",
    )
    def set_aside(
        self, request: HttpRequest, rows: list[ProcessorEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        count = set_events_aside(events=rows, **actor_and_now(request), **data)
        return _quarantined(rows, f"{count} set aside")


def _event_effects(rows: list[ProcessorEvent], effect: str) -> list[str]:
    return [
        f"{row.event_id} of {row.processor} ({row.reason}) {effect}."
        if row.state == ProcessorEvent.State.QUARANTINED
        else f"{row.event_id} of {row.processor} is {row.state} and is not changed."
        for row in rows
    ]


def _quarantined(rows: list[ProcessorEvent], summary: str) -> ActionOutcome:
    quarantined = ProcessorEvent.State.QUARANTINED
    changed = [row for row in rows if row.state == quarantined]
    others = [(row, "not quarantined") for row in rows if row.state != quarantined]
    return ActionOutcome(changed, others, summary=summary)
