"""System checks of the site for agencies: every page of it limits itself to a reach."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import EmptyFieldListFilter, SimpleListFilter
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from config.admin.agency import MENU, agency_site
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
    return [
        Error(f"{label} {problem}.", hint=hint, id=code)
        for model, page in agency_site._registry.items()
        for label, code, problem, hint in _problems(model, page)
    ]


def _problems(model: type[Model], page: Any) -> Iterator[tuple[str, str, str, str]]:
    """The page or inline, the id of the check, what is wrong, and what to do."""
    label = _label(type(page))
    if not isinstance(page, ScopedAdmin):
        hint = "Derive it from core.admin.scoped.ScopedAdmin."
        yield label, "config.E013", "is a page for agencies without a reach", hint
        return
    yield from _reach_problems(type(page), model)
    if getattr(page, "menu", None) not in [(g, n) for g, ns in MENU for n in ns]:
        hint = "Set `menu`, and name it in config.admin.agency.MENU."
        yield label, "config.E013", "has no place in the navigation", hint
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
