"""Pages of panels: a room declares a page, and any room above it adds panels to it.

    OVERVIEW = AgencyPanels(name="overview", path="", title="Overview", permission=...)

    @OVERVIEW.panel("seats", order=10, permission=Action.VIEW_SEATS)
    def seats_now(request: HttpRequest) -> Panel | None: ...

A panel that the person may not see is not computed. On the site for agencies, a page that
the person may not open is not there (404); on that of staff it is refused (403).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from core.admin.panels import Link, Panel
from core.admin.scoped import reach_in
from core.tables import csv_pieces

Build = Callable[..., Panel | None]
PAGES_OF_PANELS: list["PanelPage"] = []


class Slot(NamedTuple):
    """A panel of a page: its place, who may see it, and what computes it."""

    order: int
    key: str
    permission: str
    build: Build


@dataclass(kw_only=True)
class PanelPage:
    """A page of panels.

    `path` is its address below that of the site and may have converters, whose values
    the panels get by name. `permission` opens the page. `title` may be a function of
    the request and these values; it raises Http404 for what is out of reach. `menu` is
    the group and the name in the navigation; None: other pages link to it. `filters`
    makes a form of the request, shown above the panels. `links` are actions of the page.
    `refresh` says after how many seconds the page loads itself again; None: never.
    """

    site: ClassVar[str]  # the name of the site in `django.urls`
    refusal: ClassVar[type[Exception]] = Http404  # of people who may not open it
    name: str
    path: str
    title: str | Callable[..., str]
    permission: str
    menu: tuple[str, str] | None = None
    intro: str = ""
    filters: Callable[[HttpRequest], forms.Form] | None = None
    links: Callable[..., Iterable[Link]] | None = None
    refresh: Callable[..., int | None] | None = None
    template: str = "admin/panels.html"
    slots: list[Slot] = field(default_factory=list)

    def __post_init__(self) -> None:
        PAGES_OF_PANELS.append(self)

    def allows(self, request: HttpRequest, permission: str) -> bool:
        """Whether the person may see this anywhere."""
        raise NotImplementedError

    def panel(
        self, key: str, *, order: int, permission: str | None = None
    ) -> Callable[[Build], Build]:
        """Add a panel; `permission` is asked besides that of the page."""

        def add(build: Build) -> Build:
            self.slots.append(Slot(order, key, permission or self.permission, build))
            return build

        return add

    def view(self, admin_site: AdminSite) -> Callable[..., HttpResponse]:
        """The view of the page on its site."""

        @require_safe
        def page(request: HttpRequest, **values: Any) -> Any:
            return self.respond(admin_site, request, **values)

        return page

    def respond(
        self, admin_site: AdminSite, request: HttpRequest, **values: Any
    ) -> HttpResponse | StreamingHttpResponse:
        """The page, or with `?csv=KEY` the table of one panel as a file."""
        if not self.allows(request, self.permission):
            raise self.refusal
        title = (
            self.title if isinstance(self.title, str) else self.title(request, **values)
        )
        if key := request.GET.get("csv"):
            return self._file(request, title, key, values)
        panels = [
            panel
            for slot in self._open(request)
            if (panel := slot.build(request, **values))
        ]
        context = {
            **admin_site.each_context(request),
            "title": title,
            "intro": self.intro,
            "panels": panels,
            "filters": self.filters(request) if self.filters else None,
            "page_links": list(self.links(request, **values)) if self.links else [],
            "query": request.GET.copy(),
        }
        request.current_app = admin_site.name
        response = TemplateResponse(request, self.template, context)
        if self.refresh and (seconds := self.refresh(request, **values)):
            response.headers["Refresh"] = str(seconds)
        return response

    def _open(self, request: HttpRequest) -> list[Slot]:
        slots = sorted(self.slots, key=lambda slot: (slot.order, slot.key))
        return [slot for slot in slots if self.allows(request, slot.permission)]

    def _file(
        self, request: HttpRequest, title: str, key: str, values: dict[str, Any]
    ) -> StreamingHttpResponse:
        slot = next((slot for slot in self._open(request) if slot.key == key), None)
        panel = slot.build(request, **values) if slot else None
        if panel is None or panel.table is None:
            raise Http404
        header, *rows = panel.table.csv_rows()
        return StreamingHttpResponse(
            csv_pieces([str(column) for column in header], rows),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{slugify(title)}-{key}.csv"'
            },
        )


class AgencyPanels(PanelPage):
    """A page of the site for agencies; permissions are actions of the table of access."""

    site = "agency"

    def allows(self, request: HttpRequest, permission: str) -> bool:
        return reach_in(request).may(permission)


class StaffPanels(PanelPage):
    """A page of the staff site; permissions are Django's, such as "seats.view_agency".

    With the permission "" it is open to all staff.
    """

    site = "admin"
    refusal = PermissionDenied

    def allows(self, request: HttpRequest, permission: str) -> bool:
        return not permission or request.user.has_perm(permission)
