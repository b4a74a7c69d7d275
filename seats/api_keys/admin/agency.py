"""The page of API keys, for members of agencies. Secrets are shown once, and not stored."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from core.admin.dates import DateField
from core.admin.member_actions import for_members
from core.admin.readonly import AddingForm
from core.admin.scoped import (
    ScopedFilter,
    agency_page,
)
from core.periods import DAY
from core.scopes import api_scopes
from seats.access.domain import Action
from seats.api_keys.admin.owners_page import OwnersPage
from seats.api_keys.admin.staff import ApiKeyAdmin
from seats.api_keys.models import ApiKey
from seats.api_keys.services import create_key


class KeyForm(AddingForm):
    """A new key; the page shows it once, after it is saved."""

    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        help_text="What programs with this key may do. Choose as little as is needed.",
    )
    last_day = DateField(
        required=False, help_text="The key works until the end of this day, UTC."
    )

    class Meta:
        model = ApiKey
        fields = ["agency", "label"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [
            (name, f"{name}: {scope.allows}") for name, scope in api_scopes().items()
        ]
        self.fields["scopes"].choices = choices  # type: ignore[attr-defined]

    def add(self, cleaned: dict[str, Any]) -> ApiKey:
        last_day = cleaned["last_day"]
        expires_at = last_day and datetime.combine(last_day, time(), UTC) + DAY
        key, self.secret = create_key(
            agency=cleaned["agency"],
            scopes=cleaned["scopes"],
            label=cleaned["label"],
            expires_at=expires_at,
            actor=self.actor,
            now=timezone.now(),
        )
        return key


@agency_page(ApiKey)
class ApiKeyPage(OwnersPage):
    """Keys of the agency, with what they may do and when they were used last."""

    menu = ("Integrations", "API keys")
    agency_path = "agency"
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
    adding_form = KeyForm
    adding_fields = ["agency", "label", "scopes", "last_day"]
    actions = ["revoke"]

    revoke = for_members(ApiKeyAdmin.revoke, permission=Action.CHANGE_INTEGRATIONS)

    @admin.display(description="key", ordering="label")
    def label_or_prefix(self, key: ApiKey) -> str:
        return key.label or "no label"

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Show the secret of the key that the form has saved."""
        message = f"Copy the key now; it is shown only once: {form.secret}"
        self.message_user(request, message, messages.WARNING)
