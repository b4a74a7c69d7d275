"""The base of every page of the admin, and its search-as-you-type boxes."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Model
from django.http import HttpRequest

from seats.admin_actions import StaffAction


class StaffAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The base of every page of the admin: newest first, and no action but ours."""

    list_per_page = 50
    show_full_result_count = False
    ordering = ["-pk"]

    class Media:
        css = {"all": ["seats/admin.css"]}

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Those that whoever is logged in may use; nothing without a permission."""
        return {
            name: entry
            for name, entry in super().get_actions(request).items()
            if entry is not None
            and isinstance(entry[0], StaffAction)
            and entry[0].is_allowed(request, self.model)
        }

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """What may be deleted has an action for it, which asks for a reason."""
        return False


def autocomplete(model: type[Model], field: str) -> AutocompleteSelect:
    """A select box that searches as one types, like the one of this foreign key."""
    return AutocompleteSelect(model._meta.get_field(field), admin.site)
