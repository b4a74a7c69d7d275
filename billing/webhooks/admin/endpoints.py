"""Admin pages of webhook endpoints."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from billing.webhooks.models import WebhookEndpoint
from billing.webhooks.services.endpoints import (
    add_endpoint,
    delete_endpoint,
    pause_endpoint,
    resume_endpoint,
    rotate_secret,
    send_test_event,
)
from billing.webhooks.services.replay import replay_range
from core.admin.actions import (
    ActionOutcome,
    Effects,
    Moving,
    ReasonForm,
    staff_action,
    unchanged_if,
    work_each,
)
from core.admin.base import autocomplete
from core.admin.readonly import AddingAdmin, AddingForm, actor_and_now


class EndpointForm(AddingForm):
    """A new endpoint; the page shows its secret once, after it is saved."""

    class Meta:
        model = WebhookEndpoint
        fields = ["agency", "url", "description"]
        widgets = {"agency": autocomplete(WebhookEndpoint, "agency")}

    def add(self, cleaned: dict[str, Any]) -> WebhookEndpoint:
        endpoint, self.secret = add_endpoint(
            actor=self.actor, now=timezone.now(), **cleaned
        )
        return endpoint


class ReplayForm(ReasonForm):
    """A range of sequence numbers of the endpoint's agency, or of the platform."""

    since = forms.IntegerField(min_value=1, help_text="The first sequence number.")
    until = forms.IntegerField(
        min_value=1,
        required=False,
        help_text="The last sequence number. Empty: everything since the first.",
    )
    field_order = ["since", "until", "reason"]


def is_kept(row: WebhookEndpoint) -> bool:
    """Whether the endpoint is not deleted."""
    return row.deleted_at is None


def endpoint_effects(
    what: str, applies: Callable[[WebhookEndpoint], bool] = is_kept
) -> Effects:
    """Sentences that name each endpoint, its agency, and how many events wait for it."""

    def effects(rows: list[Any], data: dict[str, Any] | None) -> list[str]:
        pending = Count("deliveries", filter=Q(deliveries__state="pending"))
        ids = [row.pk for row in rows]
        counted = WebhookEndpoint.objects.filter(pk__in=ids).annotate(waiting=pending)
        waiting = dict(counted.values_list("pk", "waiting"))
        return [
            sentence
            for row in rows
            for sentence in (
                unchanged_if(
                    not applies(row),
                    f"{row} of {row.agency.code if row.agency else 'the platform'}"
                    f" ({row.state}):"
                    f" {what if applies(row) else 'it is not changed.'}",
                ),
                Moving(f"{waiting[row.pk]} events are waiting to be sent to it."),
            )
        ]

    return effects


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(AddingAdmin):
    """Webhook endpoints; adding one, or rotating its secret, shows the secret once."""

    menu = ("Webhooks", "Endpoints")
    list_display = [
        "url", "agency", "owner", "state", "reason", "failing_since", "deleted_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = ["state", ("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["url", "description", "agency__code"]
    exclude = ["sealed_secret", "sealed_previous"]
    adding_form = EndpointForm
    sensitive = True
    adding_fields = EndpointForm.Meta.fields
    actions = [
        "pause", "resume", "send_test", "replay", "rotate", "delete_for_ever",
    ]  # fmt: skip

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Show the secret of the endpoint that the form has saved."""
        show_secret(self, request, obj, form.secret)

    @staff_action(
        "Pause: hold events",
        effects=endpoint_effects(
            "nothing is sent to it until it is resumed.",
            lambda row: row.state == WebhookEndpoint.State.ENABLED,
        ),
        undo='Choose "Resume": held events are then sent in order.',
        done="paused",
    )
    def pause(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> ActionOutcome:
        reason = f"Paused by {request.user}."

        def work(row: WebhookEndpoint) -> str | None:
            if row.state != WebhookEndpoint.State.ENABLED:
                return "was not enabled"
            pause_endpoint(endpoint=row, reason=reason)
            return None

        return work_each(rows, work)

    @staff_action(
        "Resume: send held events",
        effects=endpoint_effects(
            "all events it held are sent now, in order.",
            lambda row: row.state != WebhookEndpoint.State.ENABLED and is_kept(row),
        ),
        undo="Sent events cannot be recalled. Pause it again to hold the rest.",
        done="resumed",
    )
    def resume(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(row: WebhookEndpoint) -> str | None:
            if row.state == WebhookEndpoint.State.ENABLED:
                return "was already enabled"
            resume_endpoint(endpoint=row, now=now)
            return None

        return work_each(rows, work)

    @staff_action(
        "Send a test event",
        effects=endpoint_effects("an event of type webhook_endpoint.test is sent."),
        undo="A sent test event cannot be recalled. It changes nothing.",
        done="will be sent a test event within seconds",
    )
    def send_test(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> ActionOutcome:
        who = actor_and_now(request)

        def work(row: WebhookEndpoint) -> None:
            send_test_event(endpoint=row, **who)

        return work_each(rows, work)

    @staff_action(
        "Rotate the signing secret",
        sensitive=True,
        effects=endpoint_effects(
            "it gets a new secret, shown once after this page. Requests are also signed"
            " with the current secret for 24 hours; the receiver needs the new one by"
            " then."
        ),
        undo="The old secret cannot be restored. Rotate again to get a new one.",
        done="rotated",
    )
    def rotate(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> ActionOutcome:
        def work(row: WebhookEndpoint) -> None:
            endpoint, secret = rotate_secret(endpoint=row, now=timezone.now())
            show_secret(self, request, endpoint, secret)

        return work_each(rows, work)

    @staff_action(
        "Replay events",
        effects=endpoint_effects(
            "the events with these sequence numbers are sent again, with the same ids."
        ),
        undo="Sent events cannot be recalled. Pause the endpoint to hold the rest.",
        done="replayed",
        form=ReplayForm,
    )
    def replay(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> ActionOutcome:
        count = sum(
            replay_range(
                endpoint=row,
                first=data["since"],
                last=data["until"],
                now=timezone.now(),
            )
            for row in rows
        )
        return ActionOutcome(
            rows, summary=f"{count} event{'s' if count != 1 else ''} sent again"
        )

    @staff_action(
        "Delete permanently",
        permission="delete",
        effects=endpoint_effects(
            "nothing more is sent to it, not even waiting events, and its secrets are"
            " destroyed."
        ),
        undo="A deleted endpoint cannot be restored. Add a new one, with a new secret.",
        done="deleted",
    )
    def delete_for_ever(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(row: WebhookEndpoint) -> str | None:
            deleted = delete_endpoint(endpoint=row, now=now)
            return None if deleted else "was already deleted"

        return work_each(rows, work)


def show_secret(
    model_admin: admin.ModelAdmin,  # type: ignore[type-arg]
    request: HttpRequest,
    endpoint: WebhookEndpoint,
    secret: str,
) -> None:
    """Show a signing secret, the only time that anybody sees it."""
    message = (
        f"Copy the signing secret of {endpoint} now; it is shown only once: {secret}"
    )
    model_admin.message_user(request, message, messages.WARNING)
