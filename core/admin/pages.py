"""Pages of panels: a room declares a page, and any room above it adds panels to it.

    OVERVIEW = AgencyPanels(name="overview", path="", title="Overview", permission=...)

    @OVERVIEW.panel("seats", order=10, permission=Action.VIEW_SEATS)
    def seats_now(request: HttpRequest) -> Panel | None: ...

A panel that the person may not see is not computed. On the site for agencies, a page that
the person may not open is not there (404); on that of staff it is refused (403).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods

from core.admin.panels import Link, Panel
from core.admin.scoped import reach_in
from core.tables import csv_pieces

# Of a page, for one slot: a panel, several, or None for nothing.
Build = Callable[..., Panel | Sequence[Panel] | None]
T = TypeVar("T")
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
    `post` does what the buttons of its panels post, and answers where to go then; it
    limits itself to the reach. `files` are answers for `?csv=KEY` that no panel has.
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
    filters: Callable[[HttpRequest], forms.Form | None] | None = None
    links: Callable[..., Iterable[Link]] | None = None
    post: Callable[..., HttpResponse] | None = None
    refresh: Callable[..., int | None] | None = None
    template: str = "admin/panels.html"
    files: dict[str, Callable[..., Any]] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)

    def __post_init__(self) -> None:
        PAGES_OF_PANELS.append(self)

    def allows(self, request: HttpRequest, permission: str) -> bool:
        """Whether the person may see this anywhere."""
        raise NotImplementedError

    def url(
        self, query: Mapping[str, str | int] | None = None, **values: object
    ) -> str:
        """The address of the page with these values of its path, and this query."""
        name = f"admin:{self.name}"
        address = reverse(name, kwargs=values, current_app=self.site)
        return f"{address}?{urlencode(query)}" if query else address

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

        @require_http_methods(["GET", "HEAD", *(["POST"] if self.post else [])])
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
        if request.method == "POST" and self.post:
            return self.post(request, **values)
        if key := request.GET.get("csv"):
            return self._file(request, title, key, values)
        panels = [
            panel
            for slot in self._open(request)
            for panel in _panels(slot.build(request, **values))
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
        if key in self.files:
            return self.files[key](request, **values)  # type: ignore[no-any-return]
        slot = next((slot for slot in self._open(request) if slot.key == key), None)
        panel = next(_panels(slot.build(request, **values) if slot else None), None)
        if panel is None or panel.table is None:
            raise Http404
        header, *rows = panel.table.csv_rows()
        return csv_file(f"{title} {key}", [str(column) for column in header], rows)


def once_per_request(request: HttpRequest, key: object, make: Callable[[], T]) -> T:
    """What `make` returned for this key in this request; it is called once."""
    made: dict[object, T] = request.__dict__.setdefault("made_once", {})
    if key not in made:
        made[key] = make()
    return made[key]


def csv_file(
    title: str, header: Sequence[str], rows: Iterable[Iterable[object]]
) -> StreamingHttpResponse:
    """Rows as a CSV file that is named by the title."""
    name = f"{slugify(title)}.csv"
    return StreamingHttpResponse(
        csv_pieces(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _panels(built: Panel | Sequence[Panel] | None) -> Iterator[Panel]:
    """The panels of a slot."""
    if built:
        yield from [built] if isinstance(built, Panel) else built


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
