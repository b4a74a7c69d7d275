"""The staff admin of meters and price lists."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.pricing.admin.effects import delete_effects, publish_effects
from billing.pricing.models import Meter, PriceList, Rate, RateTier
from billing.pricing.services import delete_draft_list, publish_price_list
from core.admin.actions import ActionOutcome, staff_action, work_each
from core.admin.base import StaffAdmin
from core.admin.cells import money_cell
from core.admin.dates import DateInput
from core.admin.readonly import PlainModelForm, ReadOnlyAdmin


@admin.register(Meter)
class MeterAdmin(ReadOnlyAdmin):
    """Meters: what is counted, and in which units."""

    menu = ("Price lists", "Meters")
    list_display = ["code", "name", "raw_unit", "billed_unit"]
    search_fields = ["code", "name"]
    ordering = ["code"]


class DraftOnlyAdmin(StaffAdmin):
    """An object that can be changed only while its price list is a draft."""

    form = PlainModelForm

    def is_draft(self, obj: Any) -> bool:
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or self.is_draft(obj))


class RateInline(admin.TabularInline):  # type: ignore[type-arg]
    """The rates of a price list, one per meter."""

    model = Rate
    form = PlainModelForm
    extra = 0
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rate]:
        return super().get_queryset(request).select_related("meter")


class TierFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """The tiers of a rate."""

    def clean(self) -> None:
        super().clean()
        filled = [form for form in self.forms if form not in self.deleted_forms]
        tiers = [form for form in filled if form.has_changed() or form.instance.pk]
        last = [form for form in tiers if form.cleaned_data.get("up_to", 0) is None]
        for form in last[1:]:
            form.add_error("up_to", "Only the last tier has no upper bound.")


class TierInline(admin.TabularInline):  # type: ignore[type-arg]
    """The tiers of a rate; an upper bound belongs to its tier."""

    model = RateTier
    form = PlainModelForm
    formset = TierFormSet
    extra = 0


@admin.register(PriceList)
class PriceListAdmin(DraftOnlyAdmin):
    """Price lists; a draft can be edited until it is published, then never."""

    menu = ("Price lists", "Price lists")
    list_display = ["code", "currency", "starts_on", "price", "state", "preview"]
    list_filter = ["currency", "state"]
    search_fields = ["code"]
    readonly_fields = ["state", "published_at", "content_hash", "preview"]
    formfield_overrides = {models.DateField: {"widget": DateInput}}
    inlines = [RateInline]
    ordering = ["currency", "-starts_on"]
    actions = ["publish", "delete_draft"]

    def is_draft(self, obj: PriceList) -> bool:
        return obj.state == PriceList.State.DRAFT

    @admin.display(description="preview", empty_value="-")
    def preview(self, obj: PriceList) -> str | None:
        """A link to what the list would have made of last month's usage."""
        if obj.pk is None:
            return None
        address = reverse("admin:price_list_preview", args=[obj.pk])
        return format_html('<a class="link" href="{}">against last month</a>', address)

    @admin.display(description="seat price", ordering="seat_price")
    def price(self, obj: PriceList) -> str:
        return money_cell(obj.seat_price, obj.currency)

    @staff_action(
        "Publish permanently",
        effects=lambda lists, data: publish_effects(lists, data, now=timezone.now()),
        undo="A published list never changes. Publish another list for a later month.",
        done="published",
    )
    def publish(
        self, request: HttpRequest, lists: list[PriceList], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(draft: PriceList) -> None:
            publish_price_list(price_list=draft, now=now)

        return work_each(lists, work)

    @staff_action(
        "Delete drafts",
        permission="delete",
        effects=delete_effects,
        undo="A deleted draft cannot be restored. Enter it again.",
        done="deleted",
    )
    def delete_draft(
        self, request: HttpRequest, lists: list[PriceList], data: dict[str, Any]
    ) -> ActionOutcome:
        def work(draft: PriceList) -> None:
            delete_draft_list(price_list=draft)

        return work_each(lists, work)


@admin.register(Rate)
class RateAdmin(DraftOnlyAdmin):
    """A rate with its tiers; linked from its price list."""

    menu = ("Price lists", "Rates")
    list_display = ["price_list", "meter", "model", "unit_price", "included_per_seat"]
    list_select_related = ["price_list", "meter"]
    list_filter = ["price_list", "model"]
    inlines = [TierInline]
    actions = None

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer drafts only, since published lists never change."""
        if db_field.name == "price_list":
            drafts = PriceList.objects.filter(state=PriceList.State.DRAFT)
            kwargs["queryset"] = drafts
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def is_draft(self, obj: Rate) -> bool:
        return obj.price_list.state == PriceList.State.DRAFT
