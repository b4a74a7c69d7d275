"""Admin pages of agencies."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from core.admin.actions import ActionOutcome, ReasonForm, staff_action
from core.admin.base import autocomplete
from core.admin.dates import DateField, with_initial_dates
from core.admin.readonly import (
    AddingForm,
    ReadOnlyInline,
    SavedByServiceAdmin,
    actor_and_now,
    adding_form_for,
)
from core.periods import next_month
from seats.agencies.admin.support import page_of_agency
from seats.agencies.models import Agency, AgencyZone, Upline
from seats.agencies.queries.agencies import local_dates
from seats.agencies.queries.today import seats_on, upline_on, zone_on
from seats.agencies.services import add_agency, change_zone, set_upline

ZONES = [(zone, zone) for zone in sorted(available_timezones())]


class UplineForm(ReasonForm):
    """The new upline, and from which date on."""

    on = DateField(label="Date", help_text="The first date below the new upline.")
    upline = forms.ModelChoiceField(
        Agency.objects.all(),
        required=False,
        widget=autocomplete(Upline, "upline"),
        help_text="Leave empty for no upline.",
    )
    field_order = ["on", "upline", "reason"]


class ZoneForm(ReasonForm):
    """The new time zone, and from which month on."""

    starts_on = DateField(help_text="The first day of a future month.")
    zone = forms.ChoiceField(choices=ZONES, initial="America/New_York")
    field_order = ["starts_on", "zone", "reason"]


class AgencyForm(AddingForm):
    """A new agency."""

    zone = forms.ChoiceField(choices=ZONES, initial="America/New_York")
    upline = forms.ModelChoiceField(
        Agency.objects.all(), required=False, widget=autocomplete(Upline, "upline")
    )

    class Meta:
        model = Agency
        fields = ["code", "name", "currency"]

    def add(self, cleaned: dict[str, Any]) -> Agency:
        return add_agency(**cleaned, actor=self.actor, now=timezone.now())


class ZoneInline(ReadOnlyInline):
    """The time zones of the agency, each from the first of a month."""

    model = AgencyZone
    fields = ["starts_on", "zone", "recorded_at"]


class UplineInline(ReadOnlyInline):
    """The uplines of the agency, each from a local date until another."""

    model = Upline
    fk_name = "agency"
    fields = ["upline", "starts_on", "ends_on"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upline]:
        return super().get_queryset(request).select_related("upline")


def move_effects(agencies: list[Any], data: dict[str, Any] | None) -> list[str]:
    """Sentences about the agencies that move, and who sees them afterwards."""
    after = "the upline chosen below"
    if data:
        upline = data["upline"].code if data["upline"] else "nobody"
        after = f"{upline} from {data['on']} on"
    return [
        f"{agency.code} ({agency.seat_count} seats) is below"
        f" {agency.upline_code or 'nobody'} today and will be below {after}."
        " Agencies above it see its roster and amounts; former uplines no longer do."
        " Its payers do not change."
        for agency in agencies
    ]


def zone_effects(agencies: list[Any], data: dict[str, Any] | None) -> list[str]:
    """Sentences about the time zone of each agency today and from the given month."""
    after = f"{data['zone']} from {data['starts_on']} on" if data else "chosen below"
    return [
        f"{agency.code}: today's zone is {agency.zone_name}; the next is {after}."
        " Recorded data keeps its dates."
        for agency in agencies
    ]


@admin.register(Agency)
class AgencyAdmin(SavedByServiceAdmin):
    """Agencies; moving one to another upline or time zone is an action."""

    menu = ("Agencies", "Agencies")
    list_display = [
        "page",
        "name",
        "upline_today",
        "zone_today",
        "seats_today",
        "currency",
        "closed_through",
    ]
    list_display_links = None
    list_filter = ["currency", "zones__zone"]
    search_fields = ["code", "name"]
    inlines = [ZoneInline, UplineInline]
    ordering = ["code"]
    actions = ["move", "change_zone"]

    @staff_action(
        "Put below another upline",
        effects=move_effects,
        undo="Put it below the former upline again, from a later date on.",
        done="moved",
        form=lambda agencies: _upline_form(agencies),
    )
    def move(
        self, request: HttpRequest, agencies: list[Agency], data: dict[str, Any]
    ) -> ActionOutcome | None:
        for agency in agencies:
            set_upline(
                agency=agency,
                upline=data["upline"],
                on=data["on"],
                **actor_and_now(request),
            )
        return None

    @staff_action(
        "Change the time zone",
        effects=zone_effects,
        undo="Change it again, from the first of a later month on.",
        done="changed",
        form=lambda agencies: _zone_form(agencies),
    )
    def change_zone(
        self, request: HttpRequest, agencies: list[Agency], data: dict[str, Any]
    ) -> ActionOutcome | None:
        for agency in agencies:
            change_zone(
                agency=agency,
                zone=data["zone"],
                starts_on=data["starts_on"],
                **actor_and_now(request),
            )
        return None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agency]:
        today = timezone.now().date()
        agencies: QuerySet[Agency] = super().get_queryset(request)
        return agencies.select_related("cutoff_counter").annotate(
            upline_code=upline_on(today),
            zone_name=zone_on(today),
            seat_count=seats_on(today),
        )

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        if obj is None:
            return adding_form_for(request, AgencyForm)
        return super().get_form(request, obj, change, **{**kwargs, "fields": ["name"]})

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else []

    def save_model(self, request: Any, obj: Any, form: Any, change: Any) -> None:
        """Save the name of an existing agency; a new one was saved by the service."""
        if change:
            obj.save(update_fields=["name"])

    @admin.display(description="code", ordering="code")
    def page(self, agency: Agency) -> str:
        """A link to the page with all that support needs."""
        return format_html(
            '<a class="link" href="{}">{}</a>', page_of_agency(agency.code), agency.code
        )

    @admin.display(description="upline", ordering="upline_code")
    def upline_today(self, agency: Any) -> str:
        return agency.upline_code or "-"

    @admin.display(description="time zone", ordering="zone_name")
    def zone_today(self, agency: Any) -> str:
        return str(agency.zone_name)

    @admin.display(description="seats today", ordering="seat_count")
    def seats_today(self, agency: Any) -> int:
        return int(agency.seat_count)

    @admin.display(description="closed through", ordering="books__closed_through")
    def closed_through(self, agency: Agency) -> str:
        closed = agency.cutoff_counter.closed_through
        return f"{closed:%Y-%m}" if closed else "-"


def _upline_form(agencies: Sequence[Agency]) -> type[ReasonForm]:
    return with_initial_dates(UplineForm, on=min(_days_at(agencies)))


def _zone_form(agencies: Sequence[Agency]) -> type[ReasonForm]:
    return with_initial_dates(ZoneForm, starts_on=next_month(max(_days_at(agencies))))


def _days_at(agencies: Sequence[Agency]) -> Collection[date]:
    """The local dates of these agencies now; without agencies, the date in UTC."""
    now = timezone.now()
    ids = {agency.pk for agency in agencies}
    return local_dates(ids, now=now).values() or [now.date()]
