"""The site for members of agencies, `/agency/`.

Every view of it runs within `reading`: the reach of who asks is computed, and what the
page reads is read in one transaction, as the database's role for members. What is out of
reach answers as what is not there.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial, wraps
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.db import ProgrammingError
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from psycopg.errors import InsufficientPrivilege

from config.admin.reach import row_kinds_of
from config.admin.sites import Site
from core.admin.acting import acting_staff
from core.admin.rights import shown_to
from core.admin.scoped import any_of
from core.postgres.roles import engine_rights, member_rights
from seats.access.admin.overview import OVERVIEW
from seats.access.domain import Action, Reach, reach_of_support
from seats.members.models import User
from seats.members.queries import is_member, reach_of_user
from seats.support.models import SupportSession

log = logging.getLogger(__name__)

MENU = [
    (
        "Team",
        [
            "Seats",
            "Agents",
            "Roster file",
            "Agencies",
            "Members",
            "Invitations",
            "Support access",
        ],
    ),
    (
        "Money",
        [
            "Invoices",
            "Next invoice",
            "Compare months",
            "Payments",
            "Payment method",
            "Account",
            "Prices",
            "Budgets",
        ],
    ),
    (
        "Usage",
        ["Usage", "Calls", "By day", "Imported files", "Quarantine", "Dial plans"],
    ),
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
            try:
                with self.reading(request):
                    return _read(request, view(request, *args, **kwargs))
            except PermissionDenied as error:
                raise Http404 from error
            except ProgrammingError as error:
                if not isinstance(error.__cause__, InsufficientPrivilege):
                    raise
                # Rows or columns that no policy shows to members: see the decision on
                # row level security.
                log.exception("%s reads what members may not", request.path)
                raise Http404 from error

        return super().admin_view(scoped, cacheable)

    @contextmanager
    def reading(self, request: HttpRequest) -> Iterator[None]:
        """The one place through which every page of the site reads."""
        user = request.user
        if not isinstance(user, User):  # `has_permission` let nobody else in
            raise PermissionDenied
        reach = _reach(request, user)
        request.reach = reach  # type: ignore[attr-defined]
        rights = partial(member_rights, row_kinds_of(user, reach))
        request.member_rights = rights  # type: ignore[attr-defined]
        # Services own their transactions, so what writes is not within one of ours.
        with rights() if request.method in {"GET", "HEAD"} else nullcontext():
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
        authors = User.objects.filter(
            pk__in=rows.order_by().values("user"),
            is_staff=False,
            memberships__agency__in=any_of(ids),
        )
        with engine_rights():  # memberships below are not the upline's to see
            people = set(authors.values_list("pk", flat=True))
        return rows.filter(user__in=people).defer("user__password")


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


def _read(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response with its page written, or each part of it, as members read."""
    if isinstance(response, StreamingHttpResponse):
        if not response.is_async and not isinstance(response, FileResponse):
            response.streaming_content = _parts(request, response.streaming_content)
        return response
    render = getattr(response, "render", None)
    if not callable(render):
        return response
    with shown_to(request):
        return render()  # type: ignore[no-any-return]


def _parts(request: HttpRequest, parts: Any) -> Iterator[bytes]:
    """What is sent after the view ended, read as within it."""
    with shown_to(request):
        yield from parts
