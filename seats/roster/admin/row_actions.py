"""What can be done with a row, on its own page: buttons, and the timeline below them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from core.admin.scoped import reach_in
from seats.roster.admin.timelines import Event


@dataclass(frozen=True, slots=True)
class RowAction:
    """A button: the action of a list that it chooses for a row.

    `version` is the change of a seat that an undoing is about.
    """

    url: str
    name: str
    row: int
    title: str
    version: int | None = None


class RowActions:
    """A page whose rows have buttons of its actions, and a timeline."""

    admin_site: Any
    opts: Any

    def timeline(self, request: HttpRequest, row: Any) -> list[Event]:
        """What happened to the row, the newest first."""
        raise NotImplementedError

    def actions_of(self, request: HttpRequest, row: Any) -> Iterable[str]:
        """The names of the actions that make sense for the row as it is."""
        names: Iterable[str] = self.actions  # type: ignore[attr-defined]
        return names

    def other_actions(self, request: HttpRequest, row: Any) -> list[RowAction]:
        """Buttons that stand before those of the page's own actions."""
        return []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (row := kwargs.get("obj")) is not None:
            context |= {
                "timeline": self.timeline(request, row),
                "row_actions": self._buttons(request, row),
            }
        answer: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, context, *args, **kwargs
        )
        return answer

    def _buttons(self, request: HttpRequest, row: Any) -> list[RowAction]:
        allowed: Mapping[str, Any] = self.get_actions(request)  # type: ignore[attr-defined]
        reach, url = reach_in(request), list_url(self, self.opts.model_name)
        own = [
            RowAction(url, name, row.pk, allowed[name][2])
            for name in self.actions_of(request, row)
            if name in allowed
            and row.agency_id in reach.agencies(allowed[name][0].permission)
        ]
        return self.other_actions(request, row) + own


def list_url(page: Any, model_name: str) -> str:
    """The address of a list of this room, to which its actions are sent."""
    name = f"admin:seats_{model_name}_changelist"
    return reverse(name, current_app=page.admin_site.name)
