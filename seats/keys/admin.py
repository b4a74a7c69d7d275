"""API keys, for staff: to look at and to revoke. `create_key` makes them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from seats.keys.models import ApiKey
from seats.keys.services import revoke_key
from seats.readonly import ReadOnlyAdmin, try_each


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = [
        "prefix", "label", "agency", "scopes", "created_at", "expires_at",
        "revoked_at", "last_used_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), "agency"]
    search_fields = ["prefix", "label", "agency__code"]
    exclude = ["digest"]
    actions = ["revoke"]

    @admin.action(description="Revoke for ever", permissions=["view"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        now = timezone.now()
        try_each(self, request, keys, lambda key: revoke_key(key=key, now=now), "gone.")
