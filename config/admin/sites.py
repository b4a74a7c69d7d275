"""What the two sites, `/admin/` and `/agency/`, have in common."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.http import Http404, HttpRequest
from django.urls import URLPattern, path, reverse
from django.urls.resolvers import URLResolver

from core.admin.pages import PAGES_OF_PANELS, PanelPage
from core.admin.themed import AdminSite

Menu = Sequence[tuple[str, Sequence[str]]]


class Site(AdminSite):
    """What both sites have in common: the look, the navigation, and closed doors."""

    menu: ClassVar[Menu]  # groups of the navigation, and the names of the pages of each

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Pages of panels, Django's and the theme's; no redirect to any row of a table."""
        pages: list[URLPattern | URLResolver] = [
            path(page.path, self.admin_view(page.view(self)), name=page.name)
            for page in PAGES_OF_PANELS
            if page.site == self.name and page.path
        ]
        return pages + [
            url
            for url in super().get_urls()
            if getattr(url, "name", "") != "view_on_site"
        ]

    def _get_colors(self, key: str, *args: Any) -> dict[str, dict[str, str]]:
        """None in the page: a stylesheet has them, as the content policy demands."""
        return {}

    def search(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Not there: the theme would keep results of one site for the other."""
        raise Http404

    def places(self) -> set[tuple[str, str]]:
        """Every place of the navigation: the group and the name."""
        return {(group, name) for group, names in self.menu for name in names}

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """The navigation: pages by what they are about, in the order of the menu."""
        entries: dict[tuple[str, str], dict[str, Any]] = {}
        for app in super().get_app_list(request, app_label):
            for entry in app["models"]:
                page: Any = self._registry[entry["model"]]
                entries[page.menu] = {**entry, "name": page.menu[1]}
        entries |= self._entries_of_panels(request)
        for entry in entries.values():
            entry["is_current"] = self._is_current(request, entry["admin_url"])
        groups = [
            (group, [(group, name) for name in names]) for group, names in self.menu
        ]
        return [
            {
                "name": group,
                "app_label": group.lower(),
                "app_url": reverse("admin:index", current_app=self.name),
                "has_module_perms": True,
                "models": [entries[place] for place in places if place in entries],
            }
            for group, places in groups
            if not entries.keys().isdisjoint(places)
        ]

    def _is_current(self, request: HttpRequest, address: str | None) -> bool:
        """Whether the page at an address, or one below it, is shown."""
        if address == reverse("admin:index", current_app=self.name):
            return request.path == address
        return bool(address) and request.path.startswith(str(address))

    def _entries_of_panels(
        self, request: HttpRequest
    ) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            page.menu: {
                "name": page.menu[1],
                "object_name": page.name,
                "admin_url": self._address(page),
                "add_url": None,
                "view_only": True,
                "perms": {"view": True},
            }
            for page in PAGES_OF_PANELS
            if page.site == self.name
            and page.menu
            and page.allows(request, page.permission)
        }

    def _address(self, page: PanelPage) -> str:
        name = page.name if page.path else "index"
        return reverse(f"admin:{name}", current_app=self.name)
