"""The site of platform staff, `/admin/`, and what both sites have in common."""

from typing import Any

from django.http import Http404, HttpRequest
from django.urls import URLPattern, path
from django.urls.resolvers import URLResolver

from core.admin.pages import PAGES_OF_PANELS
from core.admin.themed import AdminSite


class Site(AdminSite):
    """What both sites have in common: the look, and doors that neither of them needs."""

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


class StaffSite(Site):
    """The site of platform staff. Its pages ask for permissions of Django."""

    settings_name = "STAFF_SITE"
