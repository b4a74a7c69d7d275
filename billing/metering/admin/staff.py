"""Staff admin of usage: imports, usage days and the quarantine."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.metering.admin.effects import (
    drop_effects,
    release_effects,
    replace_effects,
)
from billing.metering.domain.formats.catalogue import FORMATS
from billing.metering.domain.formats.rows import buffered
from billing.metering.models import (
    ConversationLeg,
    QuarantinedEvent,
    RejectedRow,
    UsageDay,
    UsageImport,
)
from billing.metering.queries.rejected_rows import rejected_rows_csv
from billing.metering.services.imports import upload_file
from billing.metering.services.quarantine_actions import (
    drop_events,
    release_events,
    replace_events,
)
from core.admin.actions import ActionOutcome, ReasonForm, staff_action
from core.admin.base import autocomplete
from core.admin.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_and_now,
)
from seats.models import SeatHolding

SHOWN = 20


class UploadForm(AddingForm):
    """Uploads a usage file for a worker to import."""

    feed = forms.ChoiceField(
        choices=[("", "Detect"), *((name, name) for name in sorted(FORMATS))],
        required=False,
        label="format",
    )
    zone = forms.CharField(
        required=False,
        max_length=64,
        help_text="For times without a zone. Leave empty to use the agency's zone of that time.",
    )
    file = forms.FileField()
    elsewhere = "file"

    class Meta:
        model = UsageImport
        fields = ["agency"]
        widgets = {"agency": autocomplete(UsageImport, "agency")}

    def add(self, data: dict[str, Any]) -> UsageImport:
        uploaded = data["file"]
        file = buffered(uploaded.file)
        try:
            return upload_file(
                file,
                agency=data["agency"],
                feed=data["feed"],
                zone=data["zone"],
                file_name=uploaded.name,
                actor=self.actor,
                now=timezone.now(),
            )
        finally:
            file.detach()


class RejectedRowInline(ReadOnlyInline):
    """The first rejected rows; the CSV file has all of them."""

    model = RejectedRow
    fields = ["row", "code", "field", "message"]
    verbose_name_plural = f"first {SHOWN} rejected rows"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RejectedRow]:
        rows: QuerySet[RejectedRow] = super().get_queryset(request)
        parent = request.resolver_match.kwargs.get("object_id")  # type: ignore[union-attr]
        first = rows.filter(usage_import=parent).order_by("pk")
        return rows.filter(pk__in=first.values("pk")[:SHOWN])


@admin.register(UsageImport)
class UsageImportAdmin(AddingAdmin):
    """Imported files. Adding one uploads it for a worker."""

    menu = ("Usage imports and quarantine", "Imported files")
    list_display = [
        "file_name", "agency", "state", "rows", "accepted", "duplicate", "rejected",
        "skipped", "waiting", "unread", "created_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = ["state", "format"]
    search_fields = ["file_name", "file_hash", "agency__code"]
    inlines = [RejectedRowInline]
    adding_form = UploadForm
    adding_fields = ["agency", "feed", "zone", "file"]
    readonly_fields = ["rejected_file"]
    exclude = ["leased_until", "next_attempt_at", "attempts", "reading"]

    @admin.display(description="rejected rows")
    def rejected_file(self, record: UsageImport) -> str:
        if not record.rejected:
            return "-"
        url = reverse("admin:billing_usageimport_rejected", args=[record.pk])
        return format_html('<a href="{}">Download {} as CSV</a>', url, record.rejected)

    def get_urls(self) -> list[URLPattern]:
        rejected = path(
            "<int:pk>/rejected.csv",
            self.admin_site.admin_view(self.rejected_view),
            name="billing_usageimport_rejected",
        )
        return [rejected, *super().get_urls()]

    def rejected_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        record = get_object_or_404(UsageImport, pk=pk)
        name = f"rejected-{record.public_id}.csv"
        return StreamingHttpResponse(
            rejected_rows_csv(record),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


@admin.register(ConversationLeg)
class ConversationLegAdmin(ReadOnlyAdmin):
    """Legs of calls that may have others: counted, left out, or waiting."""

    menu = ("Usage imports and quarantine", "Call legs")
    list_display = [
        "leg", "agency", "source", "state", "reason", "used_on", "received_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = ["state"]
    search_fields = ["leg", "conversation", "agency__code"]


class WithoutSeatFilter(admin.SimpleListFilter):
    """Filters usage by whether the agent held a seat on the date, by today's roster."""

    title = "seat"
    parameter_name = "seat"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "Agent without a seat on that date")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "none":
            return queryset
        held = SeatHolding.objects.filter(
            Q(ends_on=None) | Q(ends_on__gt=OuterRef("used_on")),
            agent=OuterRef("agent"),
            starts_on__lte=OuterRef("used_on"),
        )
        return queryset.filter(~Exists(held), agent__isnull=False, billable__gt=0)


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnlyAdmin):
    """Usage totals per agent, meter and local date, in raw and in billable units."""

    menu = ("Usage imports and quarantine", "Usage by day")
    list_display = [
        "used_on", "agency", "agent", "meter", "breakdown", "events", "raw_units",
        "billable_units",
    ]  # fmt: skip
    list_select_related = ["agency", "agent", "meter"]
    list_filter = [WithoutSeatFilter, "meter"]
    search_fields = ["agency__code", "agent__external_id"]
    date_hierarchy = "used_on"

    @admin.display(description="raw", ordering="raw")
    def raw_units(self, day: UsageDay) -> str:
        return f"{day.raw.normalize():,f} {day.meter.raw_unit}s"

    @admin.display(description="billable", ordering="billable")
    def billable_units(self, day: UsageDay) -> str:
        return f"{day.billable.normalize():,f}"


class ReleaseForm(ReasonForm):
    """Optional agency and agent to count the events for, and the reason."""

    agency = forms.CharField(
        max_length=32,
        required=False,
        help_text="Code of the agency. Leave empty to keep each event's.",
    )
    agent = forms.CharField(
        max_length=64,
        required=False,
        help_text="External id of the agent. Leave empty to keep each event's.",
    )
    field_order = ["agency", "agent", "reason"]


def _outcome(events: list[QuarantinedEvent], state: str) -> ActionOutcome:
    """Which events reached a state in the database, and why the others did not."""
    rows = QuarantinedEvent.objects.in_bulk([event.pk for event in events])
    resolved = [event for event in events if rows[event.pk].state == state]
    held = [event for event in events if rows[event.pk].state != state]
    refused = [(event, rows[event.pk].message) for event in held]
    return ActionOutcome(resolved, refused=refused)


@admin.register(QuarantinedEvent)
class QuarantinedEventAdmin(ReadOnlyAdmin):
    """Quarantined events. Staff add what is missing, such as an agent, then release."""

    menu = ("Usage imports and quarantine", "Quarantine")
    list_display = ["__str__", "agency", "code", "message", "state", "received_at"]
    list_select_related = ["agency"]
    list_filter = ["state", "code"]
    search_fields = ["event__id", "event__agent", "event__agency"]
    actions = ["release", "replace_counted", "drop"]

    @staff_action(
        "Release: ingest the events again",
        effects=release_effects,
        undo="A release cannot be undone. Send a correction that supersedes the event.",
        done="counted",
        form=ReleaseForm,
    )
    def release(
        self, request: HttpRequest, events: list[QuarantinedEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        names = {"agency": data["agency"], "agent": data["agent"]}
        release_events(**names, **_params(request, events))
        return _outcome(events, QuarantinedEvent.State.RELEASED)

    @staff_action(
        "Replace: count the events in place of the counted ones",
        effects=replace_effects,
        undo="A replacement cannot be undone. Send a correction that supersedes it.",
        done="counted",
    )
    def replace_counted(
        self, request: HttpRequest, events: list[QuarantinedEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        replace_events(**_params(request, events))
        return _outcome(events, QuarantinedEvent.State.RELEASED)

    @staff_action(
        "Drop: do not count the events",
        effects=drop_effects,
        undo="To count a dropped event, send it again.",
        done="dropped",
    )
    def drop(
        self, request: HttpRequest, events: list[QuarantinedEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        drop_events(**_params(request, events))
        return _outcome(events, QuarantinedEvent.State.DROPPED)


def _params(request: HttpRequest, events: list[QuarantinedEvent]) -> dict[str, Any]:
    """The parameters of the services: the events, the actor and the time."""
    return {"event_ids": [event.pk for event in events], **actor_and_now(request)}
