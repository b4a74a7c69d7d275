"""Price lists, for staff."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.pricing.models import Meter, PriceList, Rate, RateTier
from billing.pricing.services import publish_price_list
from seats.datefields import DateInput
from seats.readonly import PlainModelForm, ReadOnlyAdmin, try_each


@admin.register(Meter)
class MeterAdmin(ReadOnlyAdmin):
    list_display = ["code", "name", "raw_unit", "billed_unit"]
    search_fields = ["code", "name"]


class OfADraft(admin.ModelAdmin):  # type: ignore[type-arg]
    """What belongs to a price list changes only while that is a draft."""

    form = PlainModelForm

    def is_draft(self, obj: Any) -> bool:
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or self.is_draft(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and obj is not None and self.is_draft(obj)


class RateInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Rate
    form = PlainModelForm
    extra = 0
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rate]:
        return super().get_queryset(request).select_related("meter")


class TierInline(admin.TabularInline):  # type: ignore[type-arg]
    model = RateTier
    form = PlainModelForm
    extra = 0


@admin.register(PriceList)
class PriceListAdmin(OfADraft):
    list_display = ["code", "currency", "starts_on", "seat_price", "status"]
    list_filter = ["currency", "status"]
    search_fields = ["code"]
    readonly_fields = ["status", "published_at", "content_hash"]
    formfield_overrides = {models.DateField: {"widget": DateInput}}
    inlines = [RateInline]
    actions = ["publish"]

    def is_draft(self, obj: PriceList) -> bool:
        return obj.status == PriceList.Status.DRAFT

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Publish for ever", permissions=["change"])
    def publish(self, request: HttpRequest, lists: QuerySet[PriceList]) -> None:
        try_each(
            self,
            request,
            lists,
            lambda known: publish_price_list(price_list=known, now=timezone.now()),
            "published",
        )


@admin.register(Rate)
class RateAdmin(OfADraft):
    """Reached from its list, for its tiers."""

    list_display = ["price_list", "meter", "model", "unit_price"]
    list_select_related = ["price_list", "meter"]
    list_filter = ["price_list", "model"]
    inlines = [TierInline]
    actions = None

    def is_draft(self, obj: Rate) -> bool:
        return obj.price_list.status == PriceList.Status.DRAFT
