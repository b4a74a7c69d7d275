"""Support acts as a member: on the site for agencies alone, and seen by everybody.

The session stays that of the staff user, who logged in with a password and a second
factor. Nobody is logged in or out: at each request for the site of agencies, the member
takes the user's place, with less reach (`config.admin.agency`). The member's account
pages, sessions and API keys are out of reach by construction.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from core.audit import identify
from seats.members.models import User
from seats.support.domain import ACTING
from seats.support.models import SupportSession
from seats.support.queries import may_change, may_go_on, running_session
from seats.support.services import end_session, record_view

SITE = "/agency/"
LOGOUT = f"{SITE}logout/"
SCRIPTS = {f"{SITE}jsi18n/"}  # parts of pages
SAFE = {"GET", "HEAD"}
Ending = SupportSession.Ending
OVER = "You no longer act as {session.user}: the session {why}."


class ActingAs:
    """Puts the member in the place of the staff user who acts as that member."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_logged_in = settings.SESSION_COOKIE_NAME in request.COOKIES
        if not is_logged_in or ACTING not in request.session:
            return self.get_response(request)
        session = session_of(request)
        if session is None:
            if request.path.startswith(SITE):
                return redirect("admin:seats_supportsession_changelist")
            return self.get_response(request)
        request.acting = session  # type: ignore[attr-defined]
        if not request.path.startswith(SITE):
            return self.get_response(request)
        return self._as_member(request, session)

    def _as_member(
        self, request: HttpRequest, session: SupportSession
    ) -> HttpResponseBase:
        now = timezone.now()
        session.may_change = may_change(agency_id=session.agency_id, now=now)
        request.user = session.user
        identify(actor=session.staff_id, acting_as=session.user_id)
        is_leaving = request.path == LOGOUT
        if request.method in SAFE or session.may_change or is_leaving:
            response = self.get_response(request)
        else:
            page = "admin/acting_read_only.html"
            response = render(request, page, {"acting": session}, status=403)
        if request.path in SCRIPTS:
            return response
        record_view(
            session=session,
            method=request.method or "",
            path=request.get_full_path(),
            http_status=response.status_code,
            now=now,
        )
        return response


def session_of(request: HttpRequest) -> SupportSession | None:
    """The running session of the staff user; one that is over ends here."""
    user, now = request.user, timezone.now()
    pk = request.session[ACTING]
    session = running_session(pk=pk, staff=user) if isinstance(user, User) else None
    if session is None:
        del request.session[ACTING]
        return None
    if session.expires_at > now and may_go_on(session):
        return session
    end_session(session=session, ending=Ending.REFUSED, now=now)
    del request.session[ACTING]
    why = "expired" if session.expires_at <= now else "is no longer allowed"
    messages.warning(request, OVER.format(session=session, why=why))
    return None


@require_POST
def end_acting_view(request: HttpRequest) -> HttpResponse:
    """The button of the banner: the staff user is itself again."""
    session: SupportSession | None = getattr(request, "acting", None)
    if session is None:
        return redirect("/")
    end_session(session=session, ending=Ending.ENDED, now=timezone.now())
    del request.session[ACTING]
    messages.success(request, f"You no longer act as {session.user}.")
    return redirect("admin:seats_supportsession_changelist")


@receiver(user_logged_out)
def end_with_the_log_in(*, request: Any, **_: Any) -> None:
    session: SupportSession | None = getattr(request, "acting", None)
    if session is not None:
        now = timezone.now()
        end_session(session=session, ending=Ending.LOGGED_OUT, now=now)
