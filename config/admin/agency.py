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
from django.utils import timezone

from config.admin.sites import Site
from seats.access.admin.overview import OVERVIEW
from seats.access.domain import Action
from seats.members.models import User
from seats.members.queries import is_member, reach_of_user

MENU = [
    ("Team", ["Seats", "Agents", "Roster file", "Agencies", "Members", "Invitations"]),
    (
        "Money",
        [
            "Invoices",
            "Next invoice",
            "Compare months",
            "Payments",
            "Account",
            "Prices",
            "Budgets",
        ],
    ),
    ("Usage", ["Usage", "Calls", "By day", "Imported files", "Quarantine"]),
    ("Integrations", ["API keys", "Webhooks", "Deliveries"]),
    ("Records", ["Activity"]),
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
    menu = MENU
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
            reach = reach_of_user(user, now=timezone.now())
            request.reach = reach  # type: ignore[attr-defined]
            yield

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return OVERVIEW.respond(self, request)

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return Choices.as_view(admin_site=self)(request)

    def log_entries(self, request: HttpRequest, rows: QuerySet[LogEntry]) -> Any:
        """Entries of a row's history that name nobody out of reach, and no staff."""
        ids = request.reach.agencies(Action.VIEW_AGENCIES)  # type: ignore[attr-defined]
        people = User.objects.filter(is_staff=False, memberships__agency__in=ids)
        return rows.filter(user__in=people)


agency_site = AgencySite("agency")


def _rendered(response: HttpResponseBase) -> HttpResponseBase:
    """The response with its page written, as long as its rows may be read."""
    render = getattr(response, "render", None)
    return render() if callable(render) else response
