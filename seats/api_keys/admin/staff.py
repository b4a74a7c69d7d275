"""Admin page of API keys, to view and revoke them. `create_key` creates them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core.admin.actions import ActionOutcome, staff_action, unchanged_if, work_each
from core.admin.readonly import ReadOnlyAdmin
from seats.api_keys.models import ApiKey
from seats.api_keys.queries import SOON, keys_ending_soon
from seats.api_keys.services import revoke_key


def revoke_effects(keys: list[ApiKey], data: dict[str, Any] | None) -> list[str]:
    """Sentences about the keys that stop working."""
    return [
        unchanged_if(
            key.revoked_at is not None,
            f"{key.prefix} ({key.label or 'no label'}) of"
            f" {key.agency.code if key.agency else 'the platform'}"
            + (
                f" was already revoked on {key.revoked_at:%Y-%m-%d}."
                if key.revoked_at
                else f", last used {_day(key.last_used_at)}:"
                " every request with it is refused from now on."
            ),
        )
        for key in keys
    ]


def _day(at: Any) -> str:
    return f"on {at:%Y-%m-%d}" if at else "never"


class EndsFilter(admin.SimpleListFilter):
    """Filters valid keys that expire soon."""

    title = "expiry"
    parameter_name = "ends"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("soon", f"within {SOON.days} days")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ApiKey]
    ) -> QuerySet[ApiKey]:
        if self.value() != "soon":
            return queryset
        return keys_ending_soon(queryset, now=timezone.now())


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys by prefix, with scopes, expiry and last use; keys can be revoked."""

    menu = ("People and rights", "API keys")
    list_display = [
        "prefix", "label", "agency", "scopes", "expires_at", "revoked_at",
        "last_used_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), EndsFilter]
    search_fields = ["prefix", "label", "agency__code"]
    exclude = ["digest"]
    actions = ["revoke"]

    @staff_action(
        "Revoke permanently",
        sensitive=True,
        effects=revoke_effects,
        undo="A revoked key never works again. Create a new one with `create_key`.",
        done="revoked",
    )
    def revoke(
        self, request: HttpRequest, keys: list[ApiKey], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(key: ApiKey) -> str | None:
            return None if revoke_key(key=key, now=now) else "was already revoked"

        return work_each(keys, work)
