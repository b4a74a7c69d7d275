"""The page of API keys, for members of agencies. Secrets are stored nowhere."""

from django.contrib import admin

from core.admin.scoped import ScopedAdmin, ScopedFilter, agency_page
from seats.access.domain import Action
from seats.api_keys.models import ApiKey


@agency_page(ApiKey)
class ApiKeyPage(ScopedAdmin):
    """Keys of the agency, with what they may do and when they were used last."""

    menu = ("Integrations", "API keys")
    agency_path = "agency"
    view = Action.VIEW_INTEGRATIONS
    list_display = [
        "label_or_prefix", "agency", "prefix", "scopes", "expires_at", "revoked_at",
        "last_used_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter), ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["prefix", "label"]
    fields = [
        "agency", "label", "prefix", "scopes", "created_at", "expires_at", "revoked_at",
        "last_used_at",
    ]  # fmt: skip

    @admin.display(description="key", ordering="label")
    def label_or_prefix(self, key: ApiKey) -> str:
        return key.label or "no label"
