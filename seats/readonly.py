"""The admin's way with facts: to be looked at, added and changed only by services."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from seats.errors import Refusal
from seats.staff_admin import StaffAdmin


class ReadOnlyAdmin(StaffAdmin):
    """No adding, changing or deleting; what can be done is an action."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]
    """Rows that belong to the page, as they are."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AddingForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose `add` calls a service; what that refuses shows at its field.

    `elsewhere` is the field for refusals that name none of the form's; none: above.
    """

    actor = ""
    elsewhere: str | None = None

    def add(self, told: dict[str, Any]) -> Model:
        """Add what was told, by a service. May raise any refusal."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                self.added = self.add(cleaned)
            except Refusal as refusal:
                known = refusal.field in self.fields
                self.add_error(
                    refusal.field if known else self.elsewhere, refusal.message
                )
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002
        return self.added

    def save_m2m(self) -> None:
        """The service has written whatever goes with it."""


class AddingAdmin(ReadOnlyAdmin):
    """Rows that are added through a form of fields of its own, and then only read."""

    adding_form: type[AddingForm]
    adding_fields: list[str]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": self.adding_fields})]
        return super().get_fieldsets(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else []

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        if obj is None:
            return adding_form_for(request, self.adding_form)
        return super().get_form(request, obj, change, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """The form has saved it."""


def adding_form_for(
    request: HttpRequest, form_class: type[AddingForm]
) -> type[AddingForm]:
    """The form as whoever is logged in fills it in."""
    return type(form_class.__name__, (form_class,), {"actor": str(request.user)})


def acting(request: HttpRequest) -> dict[str, Any]:
    """Who does it, and when, as services want to be told."""
    return {"actor": str(request.user), "now": timezone.now()}
