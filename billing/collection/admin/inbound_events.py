"""Events that processors sent, for staff."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.inbound_events import (
    DECIDABLE,
    retry_events,
    set_events_aside,
)
from core.admin.actions import ActionOutcome, Unchanged, staff_action
from core.admin.readonly import ReadOnlyAdmin, actor_and_now


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

    menu = ("Payments", "Processor events")
    list_display = [
        "event_id", "processor", "state", "last_error", "received_at", "reported_at",
        "conflicts",
    ]  # fmt: skip
    list_select_related = ["processor"]
    list_filter = [
        "state", ("reported_at", admin.EmptyFieldListFilter),
        ConflictFilter, "processor",
    ]  # fmt: skip
    search_fields = ["event_id", "payment_reference"]
    fields = [
        "processor", "event_id", "state", "last_error", "reason", "payment_reference",
        "attempt", "attempts", "received_at", "reported_at", "text", "conflicts",
        "conflicting_text",
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
        f"{row.event_id} of {row.processor} ({row.last_error}) {effect}."
        if row.state in DECIDABLE
        else Unchanged(
            f"{row.event_id} of {row.processor} is {row.state} and is not changed."
        )
        for row in rows
    ]


def _quarantined(rows: list[ProcessorEvent], summary: str) -> ActionOutcome:
    changed = [row for row in rows if row.state in DECIDABLE]
    others = [
        (row, "not quarantined or waiting")
        for row in rows
        if row.state not in DECIDABLE
    ]
    return ActionOutcome(changed, others, summary=summary)
