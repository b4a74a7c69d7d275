"""Agencies, for staff."""

from collections.abc import Collection
from datetime import date
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from seats.agencies.models import Agency, AgencyZone, Upline
from seats.agencies.queries import local_dates
from seats.agencies.services import add_agency, change_zone, set_upline
from seats.datefields import DateField, proposing
from seats.periods import next_month
from seats.readonly import (
    AddingForm,
    ReadOnlyInline,
    SavedByServiceAdmin,
    acting,
    adding_form_for,
    ask_and_do,
)

ZONES = [(zone, zone) for zone in sorted(available_timezones())]


class UplineForm(forms.Form):
    """Above whom, and from when on."""

    on = DateField()
    upline = forms.ModelChoiceField(
        Agency.objects.all(), required=False, empty_label="Nobody"
    )


class ZoneForm(forms.Form):
    """Which zone, from the first of which month on."""

    starts_on = DateField(help_text="The first of a coming month.")
    zone = forms.ChoiceField(choices=ZONES, initial="America/New_York")


class AgencyForm(AddingForm):
    """A new agency."""

    zone = forms.ChoiceField(choices=ZONES, initial="America/New_York")
    upline = forms.ModelChoiceField(Agency.objects.all(), required=False)

    class Meta:
        model = Agency
        fields = ["code", "name", "currency"]

    def add(self, told: dict[str, Any]) -> Agency:
        return add_agency(
            code=told["code"],
            name=told["name"],
            currency=told["currency"],
            zone=told["zone"],
            upline=told["upline"],
            actor=self.actor,
            now=timezone.now(),
        )


class ZoneInline(ReadOnlyInline):
    model = AgencyZone
    fields = ["starts_on", "zone", "recorded_at"]


class UplineInline(ReadOnlyInline):
    model = Upline
    fk_name = "agency"
    fields = ["upline", "starts_on", "ends_on"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upline]:
        return super().get_queryset(request).select_related("upline")


@admin.register(Agency)
class AgencyAdmin(SavedByServiceAdmin):
    list_display = [
        "code",
        "name",
        "upline_today",
        "zone_today",
        "seats_today",
        "currency",
        "closed_through",
    ]
    list_filter = ["currency", "zones__zone"]
    search_fields = ["code", "name"]
    inlines = [ZoneInline, UplineInline]
    actions = ["move", "change_zone"]
    show_full_result_count = False

    @admin.action(description="Put below another upline", permissions=["change"])
    def move(
        self, request: HttpRequest, agencies: QuerySet[Agency]
    ) -> HttpResponse | None:
        def work(chosen: list[Agency], told: dict[str, Any]) -> None:
            with transaction.atomic():
                for agency in chosen:
                    set_upline(agency=agency, **acting(request), **told)

        form = proposing(UplineForm, on=min(_days_at(agencies)))
        return ask_and_do(self, request, agencies, form, work)

    @admin.action(description="Change the time zone", permissions=["change"])
    def change_zone(
        self, request: HttpRequest, agencies: QuerySet[Agency]
    ) -> HttpResponse | None:
        def work(chosen: list[Agency], told: dict[str, Any]) -> None:
            with transaction.atomic():
                for agency in chosen:
                    change_zone(agency=agency, **acting(request), **told)

        form = proposing(ZoneForm, starts_on=next_month(max(_days_at(agencies))))
        return ask_and_do(self, request, agencies, form, work)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agency]:
        today = timezone.now().date()
        agencies: QuerySet[Agency] = super().get_queryset(request)
        return agencies.select_related("books").annotate(
            upline_code=_upline_on(today),
            zone_name=_zone_on(today),
            seat_count=Count("seats", filter=_seated_on(today), distinct=True),
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

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: Any, obj: Any, form: Any, change: Any) -> None:
        """The service saved a new one; of an old one only the name changes."""
        if change:
            obj.save(update_fields=["name"])

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
        closed = agency.books.closed_through
        return f"{closed:%Y-%m}" if closed else "-"


def _days_at(agencies: QuerySet[Agency]) -> Collection[date]:
    """The dates it is at these agencies now; in UTC where none was chosen."""
    now = timezone.now()
    ids = set(agencies.values_list("pk", flat=True))
    return local_dates(ids, now=now).values() or [now.date()]


def _seated_on(today: date) -> Q:
    ends_later = Q(seats__removed_on__isnull=True) | Q(seats__removed_on__gt=today)
    return ends_later & Q(seats__cancelled=False, seats__added_on__lte=today)


def _upline_on(today: date) -> Subquery:
    edges = Upline.objects.filter(agency=OuterRef("pk"), starts_on__lte=today).exclude(
        ends_on__lte=today
    )
    return Subquery(edges.values("upline__code")[:1])


def _zone_on(today: date) -> Subquery:
    zones = AgencyZone.objects.filter(agency=OuterRef("pk"), starts_on__lte=today)
    return Subquery(zones.order_by("-starts_on").values("zone")[:1])
