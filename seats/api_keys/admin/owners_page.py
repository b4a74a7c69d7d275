"""The base of pages on which owners add integrations of their agency."""

from typing import Any

from django.http import HttpRequest

from core.admin.readonly import AddingAdmin
from core.admin.scoped import ScopedAdmin, ScopedChoice, ScopedSelect, reach_in
from seats.access.domain import Action
from seats.agencies.models import Agency


class OwnersPage(AddingAdmin, ScopedAdmin):
    """Rows of an agency that its owners add, after they confirmed who they are."""

    view = Action.VIEW_INTEGRATIONS
    sensitive = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_in(request).may(Action.CHANGE_INTEGRATIONS)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        """The form; a new row's agency is one of which the person is an owner."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            return form
        return type(form.__name__, (form,), {"agency": self._agency_choice(request)})

    def _agency_choice(self, request: HttpRequest) -> ScopedChoice:
        page: Any = self.admin_site.get_model_admin(Agency)
        action = Action.CHANGE_INTEGRATIONS
        field: Any = self.model._meta.get_field("agency")
        return ScopedChoice(
            page,
            page.rows_for(request, Agency.objects.all(), action),
            ScopedSelect(page, field, action),
            initial=min(reach_in(request).agencies(action), default=None),
        )
