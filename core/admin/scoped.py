"""Pages of the site for agencies: nothing on them is out of the reach of who looks.

A page names the path from its model to the agency, and the action that looking at it is.
Rows, choices, filters, searches and links are limited to what the person's reach allows
for that action; all else answers as if it were not there.
"""

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Protocol, TypeVar

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.forms import ModelChoiceField
from django.http import Http404, HttpRequest
from django.utils.http import urlencode

from core.admin.actions import StaffAction
from core.admin.base import KeySelect
from core.admin.readonly import ReadOnlyAdmin, ReadOnlyInline

FOR = "for"  # in the address of choices: what is to be done with the row
P = TypeVar("P", bound="type[ScopedAdmin]")
PAGES: dict[type[Model], "type[ScopedAdmin]"] = {}


class Reach(Protocol):
    """What the person who asks may do, and where."""

    def agencies(self, action: str) -> frozenset[int]: ...

    def agents(self, action: str) -> frozenset[int]: ...

    def may(self, action: str) -> bool: ...


def reach_in(request: HttpRequest) -> Reach:
    """The reach that the site computed for this request. Raises if it did not."""
    reach: Reach | None = getattr(request, "reach", None)
    if reach is None:
        raise ImproperlyConfigured("A page for agencies was opened outside its site.")
    return reach


def agency_page(model: type[Model]) -> Callable[[P], P]:
    """Offer a page for this model to the site for agencies."""

    def offer(page: P) -> P:
        PAGES[model] = page
        return page

    return offer


def any_of(ids: Collection[int]) -> RawSQL:
    """The ids as one parameter, however many they are."""
    return RawSQL("SELECT unnest(%s::bigint[])", [sorted(ids)])


def without_secrets(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows, loaded without the columns that no page for members may read.

    A model names such columns of its own as `secret_columns`; the rows that a page joins
    have some too, at any depth.
    """
    secrets = [*_secrets_of(rows.model)]
    joins = rows.query.select_related
    if isinstance(joins, dict):
        secrets += _joined_secrets(rows.model, joins)
    for field in rows.model._meta.concrete_fields:
        if isinstance(field, ForeignKey):
            target = field.remote_field.model
            secrets += [f"{field.name}__{name}" for name in _secrets_of(target)]
    return rows.defer(*secrets) if secrets else rows


def _joined_secrets(model: type[Model], joins: dict[str, Any]) -> list[str]:
    secrets = []
    for name, deeper in joins.items():
        target: Any = model._meta.get_field(name).related_model
        columns = [*_secrets_of(target), *_joined_secrets(target, deeper)]
        secrets += [f"{name}__{column}" for column in columns]
    return secrets


def _secrets_of(model: type[Model]) -> Collection[str]:
    names: Collection[str] = getattr(model, "secret_columns", ())
    return names


class Scoped:
    """Rows within reach. Pages and inlines state what that means for their model."""

    agency_path: ClassVar[str]  # the lookup from the model to the agency
    agent_path: ClassVar[str] = ""  # to the agent; "": no agent sees such rows
    owner_path: ClassVar[str] = (
        ""  # to the agency that set it up, which must be reached
    )
    view: ClassVar[str]  # the action that looking at the rows is

    def rows_for(
        self, request: HttpRequest, rows: QuerySet[Any], action: str
    ) -> QuerySet[Any]:
        """Those of the rows on which the action may be done."""
        reach = reach_in(request)
        within = Q(**{f"{self.agency_path}__in": any_of(reach.agencies(action))})
        if self.owner_path:
            owned = {f"{self.owner_path}__in": any_of(reach.agencies(action))}
            within &= Q(**{f"{self.owner_path}__isnull": True}) | Q(**owned)
        if self.agent_path and reach.agents(action):
            own = {f"{self.agent_path}__in": any_of(reach.agents(action))}
            within |= Q(**own)
        return rows.filter(within)


class ScopedAdmin(Scoped, ReadOnlyAdmin):
    """The base class of all pages for agencies; read-only but for its actions."""

    change_form_template = "admin/change_form.html"  # none of the staff site's
    menu: ClassVar[tuple[str, str]]  # the group and the name in the navigation

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The list, under the name that it has in the navigation."""
        title = {"title": self.menu[1]}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """A page of a row says which row it is of, and an error where it is sent to."""
        if kwargs.get("obj") is not None:
            context |= {"title": str(kwargs["obj"]), "subtitle": self.menu[1]}
        kwargs["form_url"] = kwargs.get("form_url") or request.get_full_path()
        return super().render_change_form(request, context, *args, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = without_secrets(super().get_queryset(request))
        return self.rows_for(request, rows, self.view)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return reach_in(request).may(self.view)

    def allows(self, request: HttpRequest, action: StaffAction) -> bool:
        """Whether the person may do this anywhere; the rows are limited besides."""
        return reach_in(request).may(action.permission)

    def rows_of_action(
        self, request: HttpRequest, action: StaffAction, rows: QuerySet[Any]
    ) -> QuerySet[Any]:
        return self.rows_for(request, rows, action.permission)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """What is found; for a `ScopedSelect`, of the rows that it offers."""
        action = request.GET.get(FOR)
        if action is not None:
            queryset = self.rows_for(request, queryset, action)
        return super().get_search_results(request, queryset, search_term)

    def choice_label(self, row: Any) -> str:
        """What a form that offers the row calls it."""
        return str(row)

    def lookup_allowed(
        self, lookup: str, value: Any, request: HttpRequest | None = None
    ) -> bool:
        """Only what the filters of the page themselves put into its address."""
        filters: list[Any] = [
            item for item in self.list_filter if isinstance(item, type)
        ]
        if lookup in {item.parameter_name for item in filters}:
            return True
        names = {name for name in self.list_filter if isinstance(name, str)}
        names |= {str(name[0]) for name in self.list_filter if isinstance(name, tuple)}
        field, _, kind = lookup.partition("__")
        if self.date_hierarchy and field == self.date_hierarchy:
            return kind in {"year", "month", "day", "gte", "lt"}
        return field in names and kind in {
            "",
            "exact",
            "isnull",
            "isempty",
            "id__exact",
        }

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["queryset"] = self._choices(db_field, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["queryset"] = self._choices(db_field, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _choices(self, db_field: Any, request: HttpRequest) -> QuerySet[Any]:
        """What a field may refer to: the rows of its own page; without one, nothing."""
        return within_reach(self.admin_site, db_field.remote_field.model, request)

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> Any:
        raise Http404

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The pages of a list; a row's history is paged by this too, and is limited."""
        if queryset.model is LogEntry:
            site: Any = self.admin_site
            queryset = site.log_entries(request, queryset)
        return super().get_paginator(request, queryset, *args, **kwargs)

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Inlines that the person may look at, each limited to what is within reach."""
        inlines: list[Any] = super().get_inline_instances(request, obj)
        return [inline for inline in inlines if reach_in(request).may(inline.view)]


class ScopedInline(Scoped, ReadOnlyInline):
    """Related rows within reach, read-only."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = without_secrets(super().get_queryset(request))
        return self.rows_for(request, rows, self.view)

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return reach_in(request).may(self.view)


def within_reach(
    site: admin.AdminSite, model: type[Model], request: HttpRequest
) -> QuerySet[Any]:
    """The rows of a model that the person may look at; none without a page for it."""
    if site.is_registered(model):
        page: Any = site.get_model_admin(model)
        if page.has_view_permission(request):
            rows: QuerySet[Any] = page.get_queryset(request)
            return rows
    return model._default_manager.none()


class ScopedSelect(KeySelect):
    """Offers the rows that an action may be done with, found by typing.

    `field` refers to them; `among` narrows the choices as the page of the rows defines.
    """

    def __init__(
        self, page: ScopedAdmin, field: Any, action: str, **among: int
    ) -> None:
        super().__init__(field, page.admin_site)
        query: dict[str, str | int] = {FOR: action, **among}
        self.query = urlencode(query)

    def get_url(self) -> str:
        return f"{super().get_url()}?{self.query}"


class ScopedChoice(ModelChoiceField):  # type: ignore[type-arg]
    """A row that an action may be done with; any other is no choice."""

    def __init__(
        self,
        page: ScopedAdmin,
        rows: QuerySet[Any],
        widget: ScopedSelect,
        **options: Any,
    ) -> None:
        self.page = page
        super().__init__(rows, widget=widget, **options)

    def label_from_instance(self, obj: Any) -> str:
        return self.page.choice_label(obj)


class ScopedFilter(admin.RelatedFieldListFilter):
    """Filters by a related row; offers what is within reach and stands on the page."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        model = field.remote_field.model
        rows = within_reach(model_admin.admin_site, model, request)
        return [(row.pk, str(row)) for row in rows.order_by(*model._meta.ordering)]


def own_columns(request: HttpRequest, action: str, columns: Any) -> list[Any]:
    """The columns or filters, without the agency where there is but one to see."""
    if len(reach_in(request).agencies(action)) > 1:
        return list(columns)
    return [c for c in columns if c != "agency" and c != ("agency", ScopedFilter)]


def model_at(model: type[Model], path: str) -> type[Model] | None:
    """The model that a path of foreign keys leads to; None if it leads to no row."""
    for step in path.split("__"):
        if step == "pk":
            continue
        try:
            field = model._meta.get_field(step)
        except FieldDoesNotExist:
            return None
        if not isinstance(field, ForeignKey):
            return None
        model = field.remote_field.model
    return model
