"""The first page of the site for agencies, and which agencies its panels are about.

Rooms add their panels to OVERVIEW. With `?agency=CODE` it is about one agency.
"""

from django.http import Http404, HttpRequest
from django.urls import reverse

from core.admin.pages import AgencyPanels
from core.admin.panels import Link
from core.admin.scoped import any_of, reach_in
from seats.access.domain import Action
from seats.agencies.models import Agency


def shown_agencies(request: HttpRequest, action: str) -> list[Agency]:
    """The agencies that a page is about and at which the action may be done, by code.

    With `?agency=CODE` that one. Raises Http404 if it is out of reach of the person.
    Asked once for each request and action, however many panels ask.
    """
    kept: dict[str, list[Agency]] = request.__dict__.setdefault("shown_agencies", {})
    if action not in kept:
        kept[action] = _shown_agencies(request, action)
    return kept[action]


def _shown_agencies(request: HttpRequest, action: str) -> list[Agency]:
    reach = reach_in(request)
    reached = Agency.objects.filter(pk__in=any_of(reach.agencies(action)))
    code = request.GET.get("agency")
    if code is None:
        return list(reached.order_by("code"))
    visible = Agency.objects.filter(pk__in=any_of(reach.agencies(Action.VIEW_AGENCIES)))
    if "\0" in code or not visible.filter(code=code).exists():
        raise Http404
    return list(reached.filter(code=code))


def overview_title(request: HttpRequest) -> str:
    """Overview, and of which agency."""
    code = request.GET.get("agency")
    if code is None:
        return "Overview"
    return f"Overview of {shown_agencies(request, Action.VIEW_AGENCIES)[0].name}"


def overview_links(request: HttpRequest) -> list[Link]:
    """From the overview of an agency, the way back to that of all."""
    if "agency" not in request.GET:
        return []
    home = reverse("admin:index", current_app=AgencyPanels.site)
    return [Link("Overview of all agencies", home)]


OVERVIEW = AgencyPanels(
    name="overview",
    path="",
    title=overview_title,
    permission=Action.VIEW_SEATS,
    links=overview_links,
)
