"""The base class of all admin pages, and autocomplete fields."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, IntegrityError, transaction
from django.db.models import (
    BinaryField,
    CharField,
    ForeignKey,
    Model,
    QuerySet,
    TextField,
)
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from psycopg.errors import UniqueViolation

from core.admin.actions import GONE, StaffAction
from core.admin.reauthentication import require_reauthentication
from core.admin.themed import ModelAdmin

# No admin filter uses these lookups; they would let people guess hidden columns letter
# by letter.
GUESSING = {"regex", "iregex", "startswith", "istartswith", "endswith", "iendswith",
            "contains", "icontains", "iexact", "range", "search"}  # fmt: skip
COMPARING = {"gt", "gte", "lt", "lte"}  # of texts these guess as well; filters use none
EMPTINESS = {"isnull", "isempty"}  # the only lookups allowed on binary columns
MOST_WORDS = 20  # of a search
log = logging.getLogger(__name__)


class StaffAdmin(ModelAdmin):  # type: ignore[type-arg]
    """The base class of all admin pages: newest first, and only StaffActions.

    `menu` is the group and the name in the navigation of the site. The list of rows has
    that name as its title.
    """

    menu: ClassVar[tuple[str, str]]
    # The lookup of the agency of a row, by which links from its page limit the list.
    agency_lookup = ""
    list_per_page = 50
    show_full_result_count = False
    ordering = ["-pk"]
    # Whether saving its forms needs a recent confirmation of who the user is, and
    # whether they have secrets, so that it is needed before they are filled in.
    sensitive = False
    has_secrets = False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The actions that the current user has the permission for."""
        return {
            name: entry
            for name, entry in super().get_actions(request).items()
            if entry is not None
            and isinstance(entry[0], StaffAction)
            and self.allows(request, entry[0])
        }

    def allows(self, request: HttpRequest, action: StaffAction) -> bool:
        """Whether the user may do this on the site: staff by a permission of Django."""
        return request.user.has_perm(action.permission_for(self.model))

    def rows_of_action(
        self, request: HttpRequest, action: StaffAction, rows: QuerySet[Any]
    ) -> QuerySet[Any]:
        """Those of the rows that the action may be done with; staff reach all rows."""
        return rows

    def response_action(  # type: ignore[override]
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Nothing is done for keys that no row could have."""
        if all(map(self._is_key, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            return super().response_action(request, queryset)
        self.message_user(request, GONE, messages.WARNING)
        return None

    def _is_key(self, text: str) -> bool:
        key: Any = self.model._meta.pk
        try:
            key.run_validators(key.to_python(text))
        except ValidationError:
            return False
        return bool(text) and "\0" not in text

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; Django's error notice if the URL filters by an impossible value."""
        extra_context = {"title": self.menu[1], **(extra_context or {})}
        if request.method != "GET" or not request.GET:
            return super().changelist_view(request, extra_context)
        try:
            with transaction.atomic():
                response = super().changelist_view(request, extra_context)
                return response.render() if hasattr(response, "render") else response
        except (DataError, ValueError, OverflowError) as error:
            if ERROR_FLAG in request.GET:
                raise
            log.warning("Invalid filter on %s: %s", request.path, error)
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self._confirm_user(request)
        return super().add_view(request, *args, **kwargs)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self._confirm_user(request)
        return super().change_view(request, *args, **kwargs)

    def _confirm_user(self, request: HttpRequest) -> None:
        if self.has_secrets and self.has_add_permission(request):
            require_reauthentication(request, keep=False)
        elif self.sensitive and request.method == "POST":
            require_reauthentication(request)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return once_more_if_taken(
            super().changeform_view, request, object_id, form_url, extra_context
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """What has all words; nothing for so many that one search would be expensive.

        Each word is a condition on every searched column.
        """
        if len(search_term.split(maxsplit=MOST_WORDS)) > MOST_WORDS:
            message = f"Search for at most {MOST_WORDS} words."
            self.message_user(request, message, messages.WARNING)
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def lookup_allowed(
        self, lookup: str, value: Any, request: HttpRequest | None = None
    ) -> bool:
        """Allow only lookups that the admin's own filters and links use."""
        name, _, kind = lookup.partition("__")
        last = lookup.rpartition("__")[2]
        if last in GUESSING:
            return False
        if self.agency_lookup and lookup == f"{self.agency_lookup}__id__exact":
            return True
        fields = {field.name: field for field in self.model._meta.concrete_fields}
        if isinstance(fields.get(name), BinaryField) and kind not in EMPTINESS:
            return False
        if isinstance(fields.get(name), CharField | TextField) and last in COMPARING:
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", KeySelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        if "\0" in object_id:  # PostgreSQL cannot store it
            return None
        return super().get_object(request, object_id, from_field)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Initial values from the URL, without those that their field cannot hold."""
        initial = super().get_changeform_initial_data(request)
        return {
            name: value for name, value in initial.items() if self._fits(name, value)
        }

    def _fits(self, name: str, value: Any) -> bool:
        if isinstance(value, str) and "\0" in value:
            return False
        try:
            field: Any = self.model._meta.get_field(name)
            (field.target_field if field.remote_field else field).to_python(value)
        except (FieldDoesNotExist, ValidationError, ValueError, TypeError):
            return False
        return True

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Deny: rows are deleted by an action, which asks for a reason."""
        return False


def once_more_if_taken(view: Callable[..., Any], *args: Any) -> Any:
    """What a page says of what somebody else added while it was being saved.

    The form was valid when it was checked; checked again it shows what is wrong.
    """
    try:
        return view(*args)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        return view(*args)


class KeySelect(AutocompleteSelect):
    """An autocomplete widget that shows a form again, whatever was sent as a key."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        """The chosen rows; none for what could be no key, which the field refuses."""
        keys = [key for key in value if self._is_key(key)]
        return super().optgroups(name, keys, attr)

    def _is_key(self, text: str) -> bool:
        try:
            self.field.target_field.to_python(text)
        except ValidationError:
            return False
        return True


def autocomplete(model: type[Model], field: str) -> KeySelect:
    """An autocomplete widget for this foreign key."""
    return KeySelect(model._meta.get_field(field), admin.site)
