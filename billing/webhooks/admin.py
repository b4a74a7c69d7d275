"""What the world is told, and who is told, for staff."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from billing.webhooks.endpoints import (
    add_endpoint,
    delete_endpoint,
    pause_endpoint,
    resume_endpoint,
    rotate_secret,
    send_test_event,
)
from billing.webhooks.models import (
    WebhookEndpoint,
)
from billing.webhooks.replaying import replay_range
from seats.admin_actions import (
    Effects,
    Moving,
    Outcome,
    ReasonForm,
    staff_action,
    unchanged_if,
    work_each,
)
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    acting,
)
from seats.staff_admin import autocomplete

PAGE = 50  # events
MOST_DIGITS = 18  # of a number that the database can compare


class EndpointForm(AddingForm):
    """A new endpoint; its secret is told by the service, this once."""

    class Meta:
        model = WebhookEndpoint
        fields = ["agency", "url", "description"]
        widgets = {"agency": autocomplete(WebhookEndpoint, "agency")}

    def add(self, told: dict[str, Any]) -> WebhookEndpoint:
        added, self.secret = add_endpoint(actor=self.actor, now=timezone.now(), **told)
        return added


class ReplayForm(ReasonForm):
    """Sequence numbers of the endpoint's agency; the platform's own for its endpoints."""

    since = forms.IntegerField(min_value=1)
    until = forms.IntegerField(min_value=1, required=False)
    field_order = ["since", "until", "reason"]


def is_there(row: WebhookEndpoint) -> bool:
    return row.deleted_at is None


def endpoint_effects(
    what: str, applies: Callable[[WebhookEndpoint], bool] = is_there
) -> Effects:
    """Sentences that name each endpoint, its agency, and what waits for it."""

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
                Moving(f"{waiting[row.pk]} events wait for it now."),
            )
        ]

    return effects


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(AddingAdmin):
    list_display = [
        "url",
        "agency",
        "owner",
        "state",
        "reason",
        "failing_since",
        "deleted_at",
    ]
    list_select_related = ["agency"]
    list_filter = ["state", ("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["url", "description", "agency__code"]
    exclude = ["sealed_secret", "sealed_previous"]
    adding_form = EndpointForm
    adding_fields = EndpointForm.Meta.fields
    actions = [
        "pause", "resume", "send_test", "replay", "rotate", "delete_for_ever",
    ]  # fmt: skip

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """The form has saved it; its secret is shown this once."""
        _show_secret(self, request, obj, form.secret)

    @staff_action(
        "Pause: hold events",
        effects=endpoint_effects(
            "nothing is sent there until it is resumed.",
            lambda row: row.state == WebhookEndpoint.State.ENABLED,
        ),
        undo='Choose "Resume": what was held is then sent in order.',
        done="paused",
    )
    def pause(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> Outcome:
        reason = f"by {request.user}"

        def work(row: WebhookEndpoint) -> str | None:
            if row.state != WebhookEndpoint.State.ENABLED:
                return "was not enabled"
            pause_endpoint(endpoint=row, reason=reason)
            return None

        return work_each(rows, work)

    @staff_action(
        "Resume: send what was held",
        effects=endpoint_effects(
            "everything that it held is sent, in order, at once.",
            lambda row: row.state != WebhookEndpoint.State.ENABLED and is_there(row),
        ),
        undo="Sent events cannot be recalled. Pause it again to hold the rest.",
        done="resumed",
    )
    def resume(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> Outcome:
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
        done="sent within seconds",
    )
    def send_test(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> Outcome:
        who = acting(request)

        def work(row: WebhookEndpoint) -> None:
            send_test_event(endpoint=row, **who)

        return work_each(rows, work)

    @staff_action(
        "New secret",
        effects=endpoint_effects(
            "it gets a new secret, shown once after this page. Requests are also signed"
            " with today's secret for a day; the receiver needs the new one by then."
        ),
        undo="The old secret cannot be restored. Rotate again to get a new one.",
        done="rotated",
    )
    def rotate(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> Outcome:
        def work(row: WebhookEndpoint) -> None:
            endpoint, secret = rotate_secret(endpoint=row, now=timezone.now())
            _show_secret(self, request, endpoint, secret)

        return work_each(rows, work)

    @staff_action(
        "Replay events",
        effects=endpoint_effects(
            "the events with these numbers are sent again, with the same ids."
        ),
        undo="Sent events cannot be recalled. Pause the endpoint to hold the rest.",
        done="replayed",
        form=ReplayForm,
    )
    def replay(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> Outcome:
        count = sum(
            replay_range(
                endpoint=row,
                first=data["since"],
                last=data["until"],
                now=timezone.now(),
            )
            for row in rows
        )
        return Outcome(
            rows, summary=f"{count} event{'s' if count != 1 else ''} sent again"
        )

    @staff_action(
        "Delete permanently",
        permission="delete",
        effects=endpoint_effects(
            "nothing more is sent there, not even waiting events, and its secrets are"
            " destroyed."
        ),
        undo="A deleted endpoint cannot be restored. Add it again, with a new secret.",
        done="deleted",
    )
    def delete_for_ever(
        self, request: HttpRequest, rows: list[WebhookEndpoint], data: dict[str, Any]
    ) -> Outcome:
        now = timezone.now()

        def work(row: WebhookEndpoint) -> str | None:
            deleted = delete_endpoint(endpoint=row, now=now)
            return None if deleted else "was already deleted"

        return work_each(rows, work)


def _show_secret(
    model_admin: admin.ModelAdmin,  # type: ignore[type-arg]
    request: HttpRequest,
    endpoint: WebhookEndpoint,
    secret: str,
) -> None:
    said = f"The secret of {endpoint}, shown this once: {secret}"
    model_admin.message_user(request, said, messages.WARNING)
