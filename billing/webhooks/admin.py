"""What the world is told, and who is told, for staff."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
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
    Delivery,
    DeliveryAttempt,
    OutboxEvent,
    WebhookEndpoint,
)
from billing.webhooks.replaying import replay_event, replay_range
from billing.webhooks.timeline import timeline_of
from seats.models import Agency
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    acting,
    ask_and_do,
    try_each,
)

PAGE = 50  # events
MOST_DIGITS = 18  # of a number that the database can compare


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    list_display = ["stream", "sequence", "type", "subject", "occurred_at"]
    list_select_related = ["stream__agency"]
    list_filter = ["type"]
    search_fields = ["subject", "stream__agency__code"]

    def get_urls(self) -> list[URLPattern]:
        timeline = path(
            "timelines/<str:code>",
            self.admin_site.admin_view(self.timeline_view),
            name="billing_timeline",
        )
        return [timeline, *super().get_urls()]

    def timeline_view(self, request: HttpRequest, code: str) -> HttpResponse:
        """What happened to an agency, in words; agencies link here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        agency = get_object_or_404(Agency, code=code)
        told = request.GET.get("before", "")
        before = int(told) if _is_number(told) else None
        context = {
            **self.admin_site.each_context(request),
            "title": f"Timeline of {agency.code}",
            "agency": agency,
            "timeline": timeline_of(agency=agency, before=before, limit=PAGE),
        }
        return TemplateResponse(request, "admin/billing/timeline.html", context)


class EndpointForm(AddingForm):
    """A new endpoint; its secret is told by the service, this once."""

    class Meta:
        model = WebhookEndpoint
        fields = ["agency", "url", "description"]

    def add(self, told: dict[str, Any]) -> WebhookEndpoint:
        added, self.secret = add_endpoint(actor=self.actor, now=timezone.now(), **told)
        return added


class ReplayForm(forms.Form):
    """Sequence numbers of the endpoint's agency; the platform's own for its endpoints."""

    since = forms.IntegerField(min_value=1)
    until = forms.IntegerField(min_value=1, required=False)


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
    list_filter = ["state", ("deleted_at", admin.EmptyFieldListFilter), "agency"]
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

    @admin.action(description="Pause: hold events", permissions=["view"])
    def pause(self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]) -> None:
        reason = f"by {request.user}"
        try_each(
            self, request, rows,
            lambda row: pause_endpoint(endpoint=row, reason=reason), "paused.",
        )  # fmt: skip

    @admin.action(description="Resume: send what was held", permissions=["view"])
    def resume(self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]) -> None:
        now = timezone.now()
        try_each(
            self, request, rows,
            lambda row: resume_endpoint(endpoint=row, now=now), "resumed.",
        )  # fmt: skip

    @admin.action(description="Send a test event", permissions=["view"])
    def send_test(self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]) -> None:
        told = acting(request)
        try_each(
            self, request, rows,
            lambda row: send_test_event(endpoint=row, **told), "sent within seconds.",
        )  # fmt: skip

    @admin.action(description="New secret", permissions=["view"])
    def rotate(self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]) -> None:
        def work(row: WebhookEndpoint) -> None:
            endpoint, secret = rotate_secret(endpoint=row, now=timezone.now())
            _show_secret(self, request, endpoint, secret)

        try_each(self, request, rows, work, "rotated.")

    @admin.action(description="Tell events again", permissions=["view"])
    def replay(
        self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]
    ) -> HttpResponse | None:
        def work(chosen: list[WebhookEndpoint], told: dict[str, Any]) -> str:
            count = sum(
                replay_range(
                    endpoint=row,
                    first=told["since"],
                    last=told["until"],
                    now=timezone.now(),
                )
                for row in chosen
            )
            return f"{count} events are told again."

        return ask_and_do(self, request, rows, ReplayForm, work)

    @admin.action(description="Delete for ever", permissions=["view"])
    def delete_for_ever(
        self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]
    ) -> None:
        now = timezone.now()
        try_each(
            self, request, rows,
            lambda row: delete_endpoint(endpoint=row, now=now), "deleted.",
        )  # fmt: skip


class AttemptsInline(ReadOnlyInline):
    model = DeliveryAttempt
    verbose_name_plural = "attempts"


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """What is on its way, arrived, or was given up."""

    list_display = ["event", "endpoint", "state", "attempts", "due_at", "settled_at"]
    list_select_related = ["event", "endpoint"]
    list_filter = ["state", "endpoint__agency"]
    search_fields = ["subject", "endpoint__url", "event__public_id"]
    inlines = [AttemptsInline]
    actions = ["replay"]

    @admin.action(description="Tell again", permissions=["view"])
    def replay(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        now = timezone.now()
        try_each(
            self, request, rows.select_related("endpoint", "event"),
            lambda row: replay_event(
                endpoint=row.endpoint, event_id=row.event.public_id, now=now
            ),
            "told again.",
        )  # fmt: skip


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def _show_secret(
    model_admin: admin.ModelAdmin,  # type: ignore[type-arg]
    request: HttpRequest,
    endpoint: WebhookEndpoint,
    secret: str,
) -> None:
    said = f"The secret of {endpoint}, shown this once: {secret}"
    model_admin.message_user(request, said, messages.WARNING)
