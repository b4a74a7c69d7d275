"""The site for members of agencies, `/agency/`.

Every view of it runs within `reading`: the reach of who asks is computed, and what the
page reads is read in one transaction. What is out of reach answers as what is not there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from config.admin.sites import Site
from core.admin.acting import acting_staff
from seats.access.domain import Action, Reach, reach_of_support
from seats.members.models import User
from seats.members.queries import is_member, reach_of_user
from seats.support.models import SupportSession

MENU = [
    (
        "Team",
        [
            "Seats",
            "Agents",
            "Agencies",
            "Members",
            "Invitations",
            "Support access",
            "Activity",
        ],
    ),
    ("Money", ["Invoices", "Payments", "Budgets"]),
    ("Usage", ["By day", "Imported files", "Quarantine"]),
    ("Integrations", ["API keys", "Webhooks"]),
]


class Choices(AutocompleteJsonView):
    """What a form offers, by the names that its page gives the rows."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        result = super().serialize_result(obj, to_field_name)
        page: Any = self.model_admin
        return {**result, "text": page.choice_label(obj)}


class AgencySite(Site):
    """The site of members. It knows what is within reach; its pages limit themselves."""

    settings_name = "AGENCY_SITE"
    index_template = "admin/agency/index.html"
    index_title = "Overview"
    using = DEFAULT_DB_ALIAS  # the connection that pages are read through

    def has_permission(self, request: HttpRequest) -> bool:
        """Every member of an agency may use the site; staff only if they are members."""
        user = request.user
        return isinstance(user, User) and user.is_active and is_member(user)

    def admin_view(
        self,
        view: Callable[..., Any],
        cacheable: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        @wraps(view)
        def scoped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with self.reading(request):
                try:
                    return _rendered(view(request, *args, **kwargs))
                except PermissionDenied as error:
                    raise Http404 from error

        return super().admin_view(scoped, cacheable)

    @contextmanager
    def reading(self, request: HttpRequest) -> Iterator[None]:
        """The one place through which every page of the site reads."""
        user = request.user
        if not isinstance(user, User):  # `has_permission` let nobody else in
            raise PermissionDenied
        is_read = request.method in {"GET", "HEAD"}
        # Services own their transactions, so what writes is not within one of ours.
        with transaction.atomic(using=self.using) if is_read else nullcontext():
            request.reach = _reach(request, user)  # type: ignore[attr-defined]
            yield

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return Choices.as_view(admin_site=self)(request)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """The navigation: pages by what they are about, in the order of MENU."""
        entries: dict[tuple[str, str], dict[str, Any]] = {}
        for app in super().get_app_list(request, app_label):
            for entry in app["models"]:
                page: Any = self._registry[entry["model"]]
                menu = page.menu
                entries[menu] = {**entry, "name": menu[1]}
        groups = [(group, [(group, name) for name in names]) for group, names in MENU]
        return [
            {
                "name": group,
                "app_label": group.lower(),
                "app_url": reverse("admin:index", current_app=self.name),
                "has_module_perms": True,
                "models": [entries[menu] for menu in menus if menu in entries],
            }
            for group, menus in groups
            if not entries.keys().isdisjoint(menus)
        ]

    def log_entries(self, request: HttpRequest, rows: QuerySet[LogEntry]) -> Any:
        """Entries of a row's history that name nobody out of reach, and no staff."""
        ids = request.reach.agencies(Action.VIEW_AGENCIES)  # type: ignore[attr-defined]
        people = User.objects.filter(is_staff=False, memberships__agency__in=ids)
        return rows.filter(user__in=people)


agency_site = AgencySite("agency")


def _reach(request: HttpRequest, user: User) -> Reach:
    """What the user may do now; less for support that acts as the user."""
    now = timezone.now()
    if acting_staff(request) is None:
        return reach_of_user(user, now=now)
    acting: SupportSession = request.acting  # type: ignore[attr-defined]
    return reach_of_support(
        reach_of_user(user, now=now, agency_id=acting.agency_id),
        agency_id=acting.agency_id,
        may_change=acting.may_change,
    )


def _rendered(response: HttpResponseBase) -> HttpResponseBase:
    """The response with its page written, as long as its rows may be read."""
    render = getattr(response, "render", None)
    return render() if callable(render) else response
