"""Admin pages of events, deliveries and timelines."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from billing.webhooks.models import Delivery, DeliveryAttempt, OutboxEvent
from billing.webhooks.queries.timeline import timeline_of
from billing.webhooks.services.replay import replay_event
from core.admin.actions import ActionOutcome, Unchanged, staff_action, work_each
from core.admin.readonly import ReadOnlyAdmin, ReadOnlyInline
from seats.models import Agency

PAGE = 50  # events
MOST_DIGITS = 18  # of a number that the database can compare


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    """Webhook events in the sequence of their agency."""

    menu = ("Webhooks", "Events")
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
        """The timeline of an agency; the pages of agencies and accounts link here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        agency = get_object_or_404(Agency, code=code)
        text = request.GET.get("before", "")
        before = int(text) if _is_number(text) else None
        context = {
            **self.admin_site.each_context(request),
            "title": f"Timeline of {agency.code}",
            "agency": agency,
            "timeline": timeline_of(agency=agency, before=before, limit=PAGE),
        }
        return TemplateResponse(request, "admin/billing/timeline.html", context)


class AttemptsInline(ReadOnlyInline):
    """The attempts of a delivery, with the HTTP status and the time of each."""

    model = DeliveryAttempt
    verbose_name_plural = "attempts"


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries that wait, arrived, or were given up, with their attempts."""

    menu = ("Webhooks", "Deliveries")
    list_display = [
        "event",
        "endpoint",
        "state",
        "attempts",
        "next_attempt_at",
        "settled_at",
    ]
    list_select_related = ["event", "endpoint"]
    list_filter = ["state"]
    search_fields = [
        "subject", "endpoint__url", "endpoint__agency__code", "event__public_id",
    ]  # fmt: skip
    inlines = [AttemptsInline]
    actions = ["replay"]

    @staff_action(
        "Send again",
        effects=lambda rows, data: [
            Unchanged(
                f"Event {row.event.sequence} ({row.event.type}) is waiting to be sent."
            )
            if row.state == Delivery.State.PENDING
            else f"Event {row.event.sequence} ({row.event.type}, {row.state}) is sent to"
            f" {row.endpoint} again, with the same id."
            for row in rows
        ],
        undo="A sent event cannot be recalled. Receivers recognize it by its id.",
        done="sent again",
    )
    def replay(
        self, request: HttpRequest, rows: list[Delivery], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(row: Delivery) -> str | None:
            event = row.event.public_id
            again = replay_event(endpoint=row.endpoint, event_id=event, now=now)
            return None if again else "already waiting to be sent"

        return work_each(rows, work)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
