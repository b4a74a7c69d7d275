"""Before what is sensitive, users confirm who they are, unless they just did."""

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.http import urlencode

from core.admin.acting import acting_staff


def require_reauthentication(request: HttpRequest, *, keep: bool = True) -> None:
    """Return if the user confirmed by password, code or passkey in the last 15 minutes.

    Otherwise an exception leads to the page that asks for it, and back. What was posted
    is kept in the session meanwhile and carried out afterwards; with `keep` off, which
    is for forms with secrets, it has to be entered again. Raises what allauth's
    middleware answers, and PermissionDenied for users who have no way to confirm.
    Who acts as a member does nothing sensitive.
    """
    if acting_staff(request) is not None:
        raise PermissionDenied
    try:
        _reauthenticated(request)
    except ReauthenticationRequired:
        methods = get_adapter().get_reauthentication_methods(request.user)
        if not methods:
            raise PermissionDenied from None
        url, following = methods[0]["url"], request.get_full_path()
        if keep and request.method == "POST":
            suspend_request(request, url)
            following = (
                request.path
            )  # what is kept has the query, and is looked up by path
        following = urlencode({REDIRECT_FIELD_NAME: following})
        raise ImmediateHttpResponse(redirect(f"{url}?{following}")) from None


@reauthentication_required  # type: ignore[untyped-decorator]
def _reauthenticated(request: HttpRequest) -> None:
    """Do nothing: the decorator raises."""
