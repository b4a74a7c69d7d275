"""Admin bases for rows that are read-only, and added or changed only by services."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from core.admin.base import StaffAdmin, once_more_if_taken
from core.admin.dressing import DressedForm
from core.admin.themed import TabularInline
from core.errors import Refusal


class ReadOnlyAdmin(StaffAdmin):
    """Pages without adding, changing or deleting; changes are actions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


class PlainModelForm(DressedForm, forms.ModelForm):  # type: ignore[type-arg]
    """For admin pages that change rows with Django's own forms."""


class ReadOnlyInline(TabularInline):  # type: ignore[type-arg]
    """Related rows, read-only."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NotSaved(Exception):
    """The service behind a form refused what was entered."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class AddingForm(DressedForm, forms.ModelForm):  # type: ignore[type-arg]
    """A form that is saved by a service, once, after it was fully validated.

    Validation writes nothing. A refusal of the service is shown at its field when the
    page is rendered again. `elsewhere` is the field for refusals that name none of the
    form's fields; None: above the form.
    """

    actor = ""
    elsewhere: str | None = None
    refusal: Refusal | None = None  # of the first attempt to save this input

    def add(self, cleaned: dict[str, Any]) -> Model:
        """Call the service with the cleaned data. May raise any refusal."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.refusal:
            is_field = self.refusal.field in self.fields
            field = self.refusal.field if is_field else self.elsewhere
            self.add_error(field, self.refusal.message)
        return cleaned

    def _post_clean(self) -> None:
        """Skip Django's checks of the model: the service's refusals are more precise."""

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002
        """Save through the service. Raises NotSaved."""
        try:
            return self.add(self.cleaned_data)
        except Refusal as refusal:
            raise NotSaved(refusal) from refusal

    def save_m2m(self) -> None:
        """Do nothing: the service has saved related rows."""


class SavedByServiceAdmin(StaffAdmin):
    """Pages with AddingForms: a refusal rolls back and renders the form again."""

    saves_in_transaction = True  # False where the service speaks to the network

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        view = (
            super().changeform_view
            if self.saves_in_transaction
            else self._changeform_view  # type: ignore[attr-defined]
        )
        page = request, object_id, form_url, extra_context
        try:
            return once_more_if_taken(view, *page)
        except NotSaved as error:
            request.refusal = error.refusal  # type: ignore[attr-defined]
            return view(*page)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Do nothing: the form has saved it."""


class AddingAdmin(SavedByServiceAdmin, ReadOnlyAdmin):
    """Rows that are added through an AddingForm and read-only afterwards."""

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


def adding_form_for(
    request: HttpRequest, form_class: type[AddingForm]
) -> type[AddingForm]:
    """The form for the current user, with the refusal of the first attempt to save."""
    refusal = getattr(request, "refusal", None)
    own = {"actor": str(request.user), "refusal": refusal}
    return type(form_class.__name__, (form_class,), own)


def actor_and_now(request: HttpRequest) -> dict[str, Any]:
    """The `actor` and `now` arguments that services take."""
    return {"actor": str(request.user), "now": timezone.now()}
