"""Who pays, for staff."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from billing.accounts.models import Account, PayerShare, PayerShareSet
from seats.readonly import ReadOnlyAdmin, ReadOnlyInline


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["payer", "billing_name", "email", "next_number"]
    list_select_related = ["payer"]
    search_fields = ["payer__code", "billing_name", "email"]
    readonly_fields = ["payer", "next_number", "last_hash"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: Any, obj: Any, form: Any, change: Any) -> None:
        """Never the counters: a closing may have moved them meanwhile."""
        obj.save(update_fields=["billing_name", "address", "email", "tax_id"])


class ShareInline(ReadOnlyInline):
    model = PayerShare
    fields = ["payer", "percent"]


@admin.register(PayerShareSet)
class PayerShareSetAdmin(ReadOnlyAdmin):
    list_display = ["agency", "starts_on", "actor", "recorded_at", "cutoff"]
    list_select_related = ["agency"]
    search_fields = ["agency__code"]
    inlines = [ShareInline]
