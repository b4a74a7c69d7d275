"""Whose usage a page is about, and how usage is called on it."""

from typing import NamedTuple

from django.http import HttpRequest

from core.admin.scoped import any_of, reach_in
from seats.access.admin.overview import shown_agencies
from seats.access.domain import Action
from seats.models import Agency, Agent

CALLS = "voice."  # meters of calls begin with it
MESSAGES = ("sms.segment", "mms")
CODE = "agency"  # in the address


class UsageScope(NamedTuple):
    """The agencies whose usage is shown, the agents of others whose own is, and where."""

    agency_ids: list[int]
    agent_ids: list[int]
    codes: dict[str, int]

    @property
    def home_ids(self) -> set[int]:
        """The agencies that the usage is of, by whose dates it counts."""
        return set(self.codes.values())


def usage_scope(request: HttpRequest) -> UsageScope:
    """All that the person may see; with `?agency=CODE` that of this agency.

    Raises Http404 if the agency is out of reach.
    """
    kept: UsageScope | None = request.__dict__.get("usage_scope")
    if kept is None:
        agencies = shown_agencies(request, Action.VIEW_USAGE)
        codes = {agency.code: agency.pk for agency in agencies}
        agents = list(reach_in(request).agents(Action.VIEW_USAGE))
        if CODE in request.GET:
            agents = []
        homes = Agency.objects.filter(agents__in=any_of(agents))
        codes |= dict(homes.values_list("code", "pk")) if agents else {}
        kept = UsageScope([agency.pk for agency in agencies], agents, codes)
        request.__dict__["usage_scope"] = kept
    return kept


def names_of(scope: UsageScope, most: int) -> dict[int, Agent]:
    """The agents whose usage may be shown, by id; the first so many by name."""
    rows = Agent.objects.filter(agency__in=any_of(scope.agency_ids))
    if scope.agent_ids:
        rows = rows | Agent.objects.filter(pk__in=any_of(scope.agent_ids))
    return {
        a.pk: a for a in rows.select_related("agency").order_by("name", "pk")[:most]
    }


def mode_name(mode: str) -> str:
    """A dial mode for people: "multi_line" is "multi line"."""
    return mode.replace("_", " ") or "no mode"
