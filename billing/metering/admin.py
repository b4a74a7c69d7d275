"""Usage, for staff."""

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

from billing.metering.effects import drop_effects, release_effects, replace_effects
from billing.metering.formats.catalogue import FORMATS
from billing.metering.formats.rows import buffered
from billing.metering.imports import upload_file
from billing.metering.models import QuarantinedEvent, RefusedRow, UsageDay, UsageImport
from billing.metering.refusals import refused_csv
from billing.metering.settling import drop_events, release_events, replace_counted
from seats.admin_actions import ActionOutcome, ReasonForm, staff_action
from seats.models import SeatHolding
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_and_now,
)
from seats.staff_admin import autocomplete

SHOWN = 20


class UploadForm(AddingForm):
    """A file to take in."""

    feed = forms.ChoiceField(
        choices=[("", "Told by the file"), *((name, name) for name in sorted(FORMATS))],
        required=False,
        label="format",
    )
    zone = forms.CharField(
        required=False,
        max_length=64,
        help_text="Of its local times; else the agency's.",
    )
    file = forms.FileField()
    elsewhere = "file"

    class Meta:
        model = UsageImport
        fields = ["agency"]
        widgets = {"agency": autocomplete(UsageImport, "agency")}

    def add(self, told: dict[str, Any]) -> UsageImport:
        uploaded = told["file"]
        file = buffered(uploaded.file)
        try:
            return upload_file(
                file,
                agency=told["agency"],
                feed=told["feed"],
                zone=told["zone"],
                file_name=uploaded.name,
                actor=self.actor,
                now=timezone.now(),
            )
        finally:
            file.detach()


class RefusedRowInline(ReadOnlyInline):
    """The first rows that were refused; the file has them all."""

    model = RefusedRow
    fields = ["row", "code", "field", "message"]
    verbose_name_plural = f"first {SHOWN} refused rows"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefusedRow]:
        rows: QuerySet[RefusedRow] = super().get_queryset(request)
        parent = request.resolver_match.kwargs.get("object_id")  # type: ignore[union-attr]
        first = rows.filter(usage_import=parent).order_by("pk")
        return rows.filter(pk__in=first.values("pk")[:SHOWN])


@admin.register(UsageImport)
class UsageImportAdmin(AddingAdmin):
    """Files that came in; adding one uploads it for a worker."""

    list_display = [
        "file_name", "agency", "state", "rows", "accepted", "duplicate", "refused",
        "left_out", "created_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = ["state", "format"]
    search_fields = ["file_name", "file_hash", "agency__code"]
    inlines = [RefusedRowInline]
    adding_form = UploadForm
    adding_fields = ["agency", "feed", "zone", "file"]
    readonly_fields = ["refused_file"]
    exclude = ["lease_until", "attempts"]

    @admin.display(description="refused rows")
    def refused_file(self, record: UsageImport) -> str:
        if not record.refused:
            return "-"
        url = reverse("admin:billing_usageimport_refused", args=[record.pk])
        return format_html('<a href="{}">{} as CSV</a>', url, record.refused)

    def get_urls(self) -> list[URLPattern]:
        refused = path(
            "<int:pk>/refused.csv",
            self.admin_site.admin_view(self.refused_view),
            name="billing_usageimport_refused",
        )
        return [refused, *super().get_urls()]

    def refused_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        record = get_object_or_404(UsageImport, pk=pk)
        name = f"refused-{record.public_id}.csv"
        return StreamingHttpResponse(
            refused_csv(record),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class SeatFilter(admin.SimpleListFilter):
    """Whether the agent holds a seat on the date, as the roster stands now."""

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
    list_display = [
        "used_on", "agency", "agent", "meter", "breakdown", "events", "raw_units",
        "billable_units",
    ]  # fmt: skip
    list_select_related = ["agency", "agent", "meter"]
    list_filter = [SeatFilter, "meter"]
    search_fields = ["agency__code", "agent__external_id"]
    date_hierarchy = "used_on"

    @admin.display(description="raw", ordering="raw")
    def raw_units(self, day: UsageDay) -> str:
        return f"{day.raw.normalize():,f} {day.meter.raw_unit}s"

    @admin.display(description="billable", ordering="billable")
    def billable_units(self, day: UsageDay) -> str:
        return f"{day.billable.normalize():,f}"


class ReleaseForm(ReasonForm):
    """What to count the events for, where that is not what they say."""

    agency = forms.CharField(
        max_length=32, required=False, help_text="A code, if not the one they name."
    )
    agent = forms.CharField(
        max_length=64,
        required=False,
        help_text="External id, if not the one they name.",
    )
    field_order = ["agency", "agent", "reason"]


def _settled(events: list[QuarantinedEvent], done: str) -> ActionOutcome:
    """Which of them left quarantine, as the database has it now."""
    ids = [event.pk for event in events]
    rows = QuarantinedEvent.objects.in_bulk(ids)
    left = [event for event in events if rows[event.pk].state == done]
    held = [event for event in events if rows[event.pk].state != done]
    return ActionOutcome(
        left, refused=[(event, rows[event.pk].message) for event in held]
    )


@admin.register(QuarantinedEvent)
class QuarantinedEventAdmin(ReadOnlyAdmin):
    """Events that could not be placed. What is missing is added first (say, the agent)."""

    list_display = ["__str__", "agency", "code", "message", "state", "received_at"]
    list_select_related = ["agency"]
    list_filter = ["state", "code"]
    search_fields = ["event__id", "event__agent", "event__agency"]
    actions = ["release", "replace_counted", "drop"]

    @staff_action(
        "Release: send them again",
        effects=release_effects,
        undo="Send a correction that supersedes the event; a release is not taken back.",
        done="counted",
        form=ReleaseForm,
    )
    def release(
        self, request: HttpRequest, events: list[QuarantinedEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        place = {"agency": data["agency"], "agent": data["agent"]}
        release_events(**_settled_by(request, events), **place)
        return _settled(events, QuarantinedEvent.State.RELEASED)

    @staff_action(
        "Count them instead of what was counted",
        effects=replace_effects,
        undo="Send a correction that supersedes the event.",
        done="counted",
    )
    def replace_counted(
        self, request: HttpRequest, events: list[QuarantinedEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        replace_counted(**_settled_by(request, events))
        return _settled(events, QuarantinedEvent.State.RELEASED)

    @staff_action(
        "Drop: never count them",
        effects=drop_effects,
        undo="A dropped event stays on record but is never counted. Send it under a new id.",
        done="dropped",
    )
    def drop(
        self, request: HttpRequest, events: list[QuarantinedEvent], data: dict[str, Any]
    ) -> ActionOutcome:
        drop_events(**_settled_by(request, events))
        return _settled(events, QuarantinedEvent.State.DROPPED)


def _settled_by(request: HttpRequest, chosen: list[QuarantinedEvent]) -> dict[str, Any]:
    return {"event_ids": [event.pk for event in chosen], **actor_and_now(request)}
