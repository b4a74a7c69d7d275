"""What the message after an action says: what was done, with links to what comes next."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Model
from django.urls import reverse

from core.admin.actions import ActionOutcome
from core.admin.panels import Link
from seats.roster.models import Agent, Seat


def outcome_of_agents(
    page: Any, agents: Sequence[Agent], done: str, changed: Sequence[Model] = ()
) -> ActionOutcome:
    """The agents by name, with a link to the page of a single one."""
    links = [Link("Open", _page_of(page, agents[0]))] if len(agents) == 1 else []
    return ActionOutcome(
        changed or agents, summary=f"{_who(agents, 'agents')}: {done}", links=links
    )


def outcome_of_seats(
    page: Any, seats: Sequence[Seat], changed: Sequence[Model], done: str
) -> ActionOutcome:
    """The holders of the seats, with a link to where the change can be undone."""
    who = _who([seat.agent for seat in seats], "seats", "Seat of ")
    if len(seats) == 1:
        link = Link("Look at the seat, or undo this", _page_of(page, seats[0]))
    else:
        listed = reverse("admin:seats_seat_changelist", current_app=_site_of(page))
        link = Link("Look at them, or undo this", f"{listed}?state=all&changed=lately")
    return ActionOutcome(changed, summary=f"{who}: {done}", links=[link])


def _who(agents: Sequence[Agent], several: str, single: str = "") -> str:
    is_single = len(agents) == 1
    return f"{single}{agents[0].name}" if is_single else f"{len(agents)} {several}"


def _page_of(page: Any, row: Model) -> str:
    name = f"admin:seats_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk], current_app=_site_of(page))


def _site_of(page: Any) -> str:
    return str(page.admin_site.name)
