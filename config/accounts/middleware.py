"""Ends sessions that may use nothing any more, and asks for a second factor."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from seats.members.models import User
from seats.members.queries import is_owner, may_use_anything, users_with_second_factor

NO_ACCESS = (
    "Your account has no access to any agency any more. Ask an owner of your agency to"
    " invite you."
)
SET_UP = (
    "Your account needs a second factor: set up an authenticator app or a passkey to"
    " continue."
)
EXEMPT = ("/accounts/", "/static/")


class Standing:
    """What a session may do is looked up at each request that brings one.

    A user who is no staff and no member of any agency is logged out. Staff and owners
    without a second factor are sent to set one up, where MFA_MANDATORY is on.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            user = request.user
            answer = self._refusal(request, user) if isinstance(user, User) else None
            if answer is not None:
                return answer
        return self.get_response(request)

    def _refusal(self, request: HttpRequest, user: User) -> HttpResponseBase | None:
        if not may_use_anything(user):
            logout(request)
            messages.warning(request, NO_ACCESS)
            return redirect_to_login("/")
        if request.path.startswith(EXEMPT) or not needs_second_factor(user):
            return None
        get_adapter().add_message(request, messages.WARNING, message=SET_UP)
        return redirect("mfa_index")


def needs_second_factor(user: User) -> bool:
    """Whether the user must set up an authenticator app or a passkey first."""
    if not settings.MFA_MANDATORY or not (user.is_staff or is_owner(user)):
        return False
    return not users_with_second_factor([user])
