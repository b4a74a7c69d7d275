"""Processors, and what they told us, for staff."""

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
from seats.admin_actions import Outcome, ReasonForm, Unchanged, staff_action
from seats.errors import Refusal
from seats.readonly import AddingAdmin, AddingForm, ReadOnlyAdmin, acting


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


class SeveralProcessors(Refusal):
    """An address and keys are of one processor."""

    code = "several_processors"


class ProcessorChangeForm(ReasonForm):
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
    field_order = ["url", "sending", "receiving", "reason"]


def change_effects(
    rows: list[PaymentProcessor], data: dict[str, Any] | None
) -> list[str]:
    """The processors whose address or keys change."""
    return [
        f"{row.code} ({row.get_kind_display()}) is reached at {row.url} today. From now on,"
        " charges, refunds and look-ups use the new address and keys. If they are wrong,"
        " every charge there fails or stays unknown."
        for row in rows
    ]


def rotate_effects(
    rows: list[PaymentProcessor], data: dict[str, Any] | None
) -> list[str]:
    """The processors whose secrets are replaced."""
    return [
        f"{row.code} gets two new secrets, shown once after this page. What it sends is"
        " accepted with the old one for a day; give it the new ones within that time."
        for row in rows
    ]


@admin.register(PaymentProcessor)
class PaymentProcessorAdmin(AddingAdmin):
    """Adding one tells its two secrets, once, and so does rotating them."""

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
        """The form has saved it; secrets that we made are shown this once."""
        if obj.kind == PaymentProcessor.Kind.WEBHOOK:
            self._show(request, *form.secrets)

    @staff_action(
        "Change address or keys",
        permission="change",
        effects=change_effects,
        undo="Change them back. The former keys have to be entered again.",
        done="changed",
        form=ProcessorChangeForm,
        one_by_one=True,
    )
    def change_address_or_keys(
        self, request: HttpRequest, rows: list[PaymentProcessor], data: dict[str, Any]
    ) -> Outcome | None:
        _require_one(rows)
        del data["reason"]
        change_processor(processor=rows[0], **acting(request), **data)
        return None

    @staff_action(
        "Rotate secrets",
        permission="rotate",
        effects=rotate_effects,
        undo="The old secrets cannot be restored. Rotate again to get new ones.",
        done="rotated",
        one_by_one=True,
    )
    def rotate_both_secrets(
        self, request: HttpRequest, rows: list[PaymentProcessor], data: dict[str, Any]
    ) -> Outcome | None:
        _require_one(rows)
        _, *made = rotate_secrets(processor=rows[0], **acting(request))
        self._show(request, *made)
        return None

    def _show(self, request: HttpRequest, sending: str, receiving: str) -> None:
        said = (
            "Shown only once. CHECKS (verifies our requests): {} "
            "SIGNS (signs its answers): {}"
        )
        said = said.format(sending, receiving)
        self.message_user(request, said, messages.WARNING)


def _require_one(chosen: list[PaymentProcessor]) -> None:
    if len(chosen) > 1:
        raise SeveralProcessors("One processor at a time.")


class ConflictFilter(admin.SimpleListFilter):
    """Events of which other content came under the same id, and was refused."""

    title = "refused content"
    parameter_name = "refused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "other content was refused")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ProcessorEvent]
    ) -> QuerySet[ProcessorEvent]:
        return queryset.filter(conflicts__gt=0) if self.value() else queryset


@admin.register(ProcessorEvent)
class ProcessorEventAdmin(ReadOnlyAdmin):
    """What does not fit waits here for somebody to look at it."""

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
    actions = ["work_off_again", "set_aside"]

    @admin.display(description="what it told")
    def text(self, event: ProcessorEvent) -> str:
        return bytes(event.body).decode(errors="replace")

    @admin.display(description="last refused content under this id")
    def conflicting_text(self, event: ProcessorEvent) -> str:
        return bytes(event.conflict_body or b"").decode(errors="replace")

    @staff_action(
        "Process again",
        permission="retry",
        effects=lambda rows, data: _event_effects(
            rows, "is processed again, and its outcome is recorded in the books"
        ),
        undo="What it records stays in the books. Refund or correct it there.",
        done="will be processed",
    )
    def work_off_again(
        self, request: HttpRequest, rows: list[ProcessorEvent], data: dict[str, Any]
    ) -> Outcome:
        count = retry_events(events=rows, now=timezone.now())
        return _quarantined(rows, f"{count} will be processed")

    @staff_action(
        "Set aside: nothing to do",
        effects=lambda rows, data: _event_effects(
            rows, "is never recorded in the books, and nobody is reminded of it"
        ),
        undo="It stays set aside. Record by hand what it should have changed.",
        done="set aside",
    )
    def set_aside(
        self, request: HttpRequest, rows: list[ProcessorEvent], data: dict[str, Any]
    ) -> Outcome:
        count = set_events_aside(events=rows, **acting(request), **data)
        return _quarantined(rows, f"{count} set aside")


def _event_effects(rows: list[ProcessorEvent], what: str) -> list[str]:
    return [
        f"{row.event_id} of {row.processor} ({row.reason}) {what}."
        if row.state == ProcessorEvent.State.QUARANTINED
        else Unchanged(
            f"{row.event_id} of {row.processor} is {row.state}: it is not changed."
        )
        for row in rows
    ]


def _quarantined(rows: list[ProcessorEvent], summary: str) -> Outcome:
    waited = ProcessorEvent.State.QUARANTINED
    changed = [row for row in rows if row.state == waited]
    others = [(row, "not in quarantine") for row in rows if row.state != waited]
    return Outcome(changed, others, summary=summary)
