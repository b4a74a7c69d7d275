"""System checks of the two sites.

Every page has a place in the navigation, and every page for agencies limits itself to a
reach.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter, SimpleListFilter
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from config.admin.agency import agency_site
from core.admin.pages import PAGES_OF_PANELS
from core.admin.scoped import Scoped, ScopedAdmin, ScopedFilter, ScopedInline, model_at
from seats.access.domain import Action
from seats.models import Agency, Agent

TARGETS: dict[str, type[Model]] = {
    "agency_path": Agency,
    "agent_path": Agent,
    "owner_path": Agency,
}


@register()
def check_agency_pages(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Require of every page for agencies that it says whose rows it shows."""
    problems = [
        *(
            problem
            for model, page in agency_site._registry.items()
            for problem in _problems(model, page)
        ),
        *_panel_problems(),
    ]
    return [
        Error(f"{label} {problem}.", hint=hint, id=code)
        for label, code, problem, hint in problems
    ]


@register()
def check_staff_pages(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Require of every page for staff that it has a place of its own."""
    site: Any = admin.site
    pages = [
        *((_label(type(page)), page) for page in site._registry.values()),
        *((f"The page {page.name!r}", page) for page in PAGES_OF_PANELS
          if page.site == site.name and page.menu),
    ]  # fmt: skip
    taken: dict[Any, str] = {}
    problems = []
    for label, page in pages:
        place = getattr(page, "menu", None)
        if place not in site.places():
            problems.append(f"{label} has no place in the navigation")
        elif place in taken:
            problems.append(f"{label} has the place of {taken[place]}")
        taken.setdefault(place, label)
    hint = "Set `menu`, and name it in config.admin.staff.MENU."
    return [Error(f"{text}.", hint=hint, id="config.E017") for text in problems]


def _panel_problems() -> Iterator[tuple[str, str, str, str]]:
    """As `_problems`, of the pages of panels."""
    hint = "Use an action of seats.access.domain, and a menu of config.admin.agency."
    for page in PAGES_OF_PANELS:
        if page.site != agency_site.name:
            continue
        label = f"The page {page.name!r}"
        if page.menu and page.menu not in agency_site.places():
            yield label, "config.E013", "has no place in the navigation", hint
        permissions = [page.permission, *(slot.permission for slot in page.slots)]
        if not all(isinstance(permission, Action) for permission in permissions):
            yield (
                label,
                "config.E013",
                "asks for no action of the table of access",
                hint,
            )


def _problems(model: type[Model], page: Any) -> Iterator[tuple[str, str, str, str]]:
    """The page or inline, the id of the check, what is wrong, and what to do."""
    label = _label(type(page))
    if not isinstance(page, ScopedAdmin):
        hint = "Derive it from core.admin.scoped.ScopedAdmin."
        yield label, "config.E013", "is a page for agencies without a reach", hint
        return
    yield from _reach_problems(type(page), model)
    if getattr(page, "menu", None) not in agency_site.places():
        hint = "Set `menu`, and name it in config.admin.agency.MENU."
        yield label, "config.E013", "has no place in the navigation", hint
    yield from _action_problems(page)
    for inline in page.inlines:
        if issubclass(inline, ScopedInline):
            yield from _reach_problems(inline, inline.model)
        else:
            hint = "Derive it from core.admin.scoped.ScopedInline."
            yield _label(inline), "config.E013", "is an inline without a reach", hint
    for item in page.list_filter:
        if not _is_safe(model, item):
            hint = "Use ScopedFilter, or the plain name of a column of the model."
            problem = f"offers the filter {item!r}, which may name rows out of reach"
            yield label, "config.E014", problem, hint


def _action_problems(page: Any) -> Iterator[tuple[str, str, str, str]]:
    hint = "Set `permission` to one of the actions of seats.access.domain."
    for name in page.actions:
        action = getattr(page, name) if isinstance(name, str) else name
        if not isinstance(getattr(action, "permission", None), Action):
            problem = f"has the action {name!r}, which asks for none of them"
            yield _label(type(page)), "config.E016", problem, hint


def _reach_problems(
    page: type[Scoped], model: type[Model]
) -> Iterator[tuple[str, str, str, str]]:
    label = _label(page)
    for name, target in TARGETS.items():
        path = getattr(page, name, None)
        hint = f'Set `{name}` to the lookup from the model, such as "seat__agency".'
        if not path and name == "agency_path":
            yield label, "config.E013", f"does not name `{name}`", hint
        elif path and model_at(model, path) is not target:
            problem = f"names {path!r} as `{name}`, which does not lead there"
            yield label, "config.E013", problem, hint
    if not isinstance(getattr(page, "view", None), Action):
        hint = "Set `view` to one of the actions of seats.access.domain."
        yield label, "config.E013", "does not name the action `view`", hint
    if not getattr(page, "fields", None):
        hint = "List the columns that members may see in `fields`."
        yield label, "config.E013", "names no `fields` and would show all", hint


def _is_safe(model: type[Model], item: Any) -> bool:
    """Whether a filter offers nothing but values of rows within reach."""
    if isinstance(item, tuple):
        return issubclass(item[1], ScopedFilter | EmptyFieldListFilter)
    if not isinstance(item, str):
        return issubclass(item, SimpleListFilter)
    try:
        return model._meta.get_field(item).remote_field is None
    except FieldDoesNotExist:
        return False


def _label(page: type[Any]) -> str:
    return f"{page.__module__}.{page.__qualname__}"
